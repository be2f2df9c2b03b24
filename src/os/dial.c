/* Sockets that connect. What only one system can do (error queue, TCP_INFO) or spells in its own
 * way is in dial_linux.c, dial_posix.c and dial_windows.c. */
#include "os/dial.h"

#include <string.h>
#ifndef _WIN32
#include <netinet/tcp.h>
#endif

#include "os/net.h"

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, (const void *)&value, sizeof value) < 0 ? -net_error() : 0;
}

static int dial(int type, const struct socket_address *address, unsigned mss)
{
    int family = address->storage.ss_family;
    int fd = dial_socket(family, type);

    if (fd < 0)
        return fd;
    dial_watch_errors(fd, family);
    if (type == SOCK_STREAM) /* without it we would only be slower */
        (void)!set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    int r = mss ? set_option(fd, IPPROTO_TCP, TCP_MAXSEG, (int)mss) : 0;
    if (r == 0 && connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0)
        r = -net_error();
    if (r == 0 || r == -NET_CONNECTING)
        return fd;
    dial_close(fd);
    return r;
}

int dial_tcp(const struct socket_address *address, unsigned mss)
{
    return dial(SOCK_STREAM, address, mss);
}

int dial_udp(const struct socket_address *address)
{
    return dial(SOCK_DGRAM, address, 0);
}

static bool is_own_address(int fd, const struct socket_address *address)
{
    struct socket_address own = {.len = sizeof own.storage};
    char own_text[ADDRESS_TEXT], text[ADDRESS_TEXT];

    return getsockname(fd, (struct sockaddr *)&own.storage, &own.len) == 0 &&
           own.storage.ss_family == address->storage.ss_family &&
           strcmp(address_ip_text(&own, own_text), address_ip_text(address, text)) == 0;
}

void dial_take_failure(int fd, int error, struct dial_failure *ret_failure)
{
    *ret_failure = (struct dial_failure){.error = error};
    dial_read_errors(fd, ret_failure);
    ret_failure->from_here =
        ret_failure->has_offender && is_own_address(fd, &ret_failure->offender);
}

int dial_result(int fd, struct dial_failure *ret_failure)
{
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer, error_len = sizeof(int);
    int error = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, (void *)&error, &error_len) < 0)
        error = net_error();
    else
        error = error ? net_errno_of(error) : 0;
    if (error) {
        dial_take_failure(fd, error, ret_failure);
        return -error;
    }
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0)
        return 0;
    error = net_error();
    return error == ENOTCONN ? -EINPROGRESS : -error;
}
