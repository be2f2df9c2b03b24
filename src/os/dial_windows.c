/* The calls that systems spell differently, by Winsock, whose sockets are small numbers too. The
 * box behind an ICMP error is not told there. */
#include <errno.h>
#include <stdlib.h>

#include "os/dial.h"
#include "os/net.h"

/* Those want types that windows.h brings. */
#include <bcrypt.h>
#include <mstcpip.h>

/* Windows asks a port that answered RST twice more, half a second apart, before it says "refused",
 * so that refusals take a second. One repetition is kept for a packet that was lost. */
static void ask_less_often(SOCKET s)
{
    TCP_INITIAL_RTO_PARAMETERS parameters = {.Rtt = TCP_INITIAL_RTO_UNSPECIFIED_RTT,
                                             .MaxSynRetransmissions = 1};
    DWORD size;

    /* Where it is refused, refusals only take longer. */
    (void)!WSAIoctl(s, SIO_TCP_INITIAL_RTO, &parameters, sizeof parameters, NULL, 0, &size, NULL,
                    NULL);
}

const bool dial_names_boxes = false;

int dial_socket(int family, int type)
{
    u_long on = 1;
    SOCKET s = socket(family, type, 0);
    if (s == INVALID_SOCKET)
        return -net_error();
    if (type == SOCK_STREAM)
        ask_less_often(s);
    if (ioctlsocket(s, FIONBIO, &on) == 0)
        return (int)s;
    int error = net_error();
    closesocket(s);
    return -error;
}

ssize_t dial_send(int fd, const void *bytes, size_t len)
{
    int n = send((SOCKET)fd, bytes, (int)len, 0);

    return n < 0 ? -net_error() : n;
}

ssize_t dial_receive(int fd, void *out, size_t cap)
{
    int n = recv((SOCKET)fd, out, (int)cap, 0);

    return n < 0 ? -net_error() : n;
}

void dial_close(int fd)
{
    closesocket((SOCKET)fd);
}

unsigned dial_max(unsigned min, unsigned max)
{
    enum { FINE = 512 }; /* the loop looks at all of them in each round */

    return max < FINE ? max : FINE;
}

void dial_random(void *out, size_t len)
{
    if (BCryptGenRandom(NULL, out, (ULONG)len, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0)
        abort();
}

void dial_watch_errors(int fd, int family)
{
    /* There is no error queue. */
}

void dial_read_errors(int fd, struct dial_failure *failure)
{
    /* There is no error queue. */
}

void dial_path(int fd, struct dial_path *ret_path)
{
    *ret_path = (struct dial_path){0};
}
