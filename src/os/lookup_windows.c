/* getaddrinfo() in a thread, its answer as a datagram between two sockets that hear nobody else. A
 * thread that nobody waits for any more ends by itself when the system has answered. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/dial.h"
#include "os/lookup.h"
#include "os/net.h"

const char lookup_place[] = "the DNS servers in the network settings (`ipconfig /all`)";
const char lookup_hosts[] = "C:\\Windows\\System32\\drivers\\etc\\hosts";

struct asker {
    int fd;
    char name[];
};

static DWORD WINAPI run(void *context)
{
    struct asker *asker = context;
    unsigned char bytes[LOOKUP_ANSWER_MAX];
    size_t len = lookup_ask(asker->name, bytes);
    ssize_t sent = dial_send(asker->fd, bytes, len);

    (void)sent; /* fails when nobody waits any more */
    dial_close(asker->fd);
    free(asker);
    return 0;
}

static int bind_to_loopback(int fd, struct socket_address *ret_address)
{
    struct socket_address address = {.len = sizeof address.storage};
    struct sockaddr_in *in4 = (struct sockaddr_in *)&address.storage;

    in4->sin_family = AF_INET;
    in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind((SOCKET)fd, (struct sockaddr *)in4, sizeof *in4) != 0 ||
        getsockname((SOCKET)fd, (struct sockaddr *)in4, &address.len) != 0)
        return -net_error();
    *ret_address = address;
    return 0;
}

/* Two sockets that are connected to each other. */
static int make_pair(int ends[2])
{
    struct socket_address addresses[2];
    int r = 0;

    ends[0] = dial_socket(AF_INET, SOCK_DGRAM);
    ends[1] = dial_socket(AF_INET, SOCK_DGRAM);
    for (int i = 0; r == 0 && i < 2; i++)
        r = ends[i] < 0 ? ends[i] : bind_to_loopback(ends[i], &addresses[i]);
    for (int i = 0; r == 0 && i < 2; i++)
        if (connect((SOCKET)ends[i], (struct sockaddr *)&addresses[!i].storage,
                    addresses[!i].len) != 0)
            r = -net_error();
    for (int i = 0; r < 0 && i < 2; i++)
        if (ends[i] >= 0)
            dial_close(ends[i]);
    return r;
}

int lookup_start(struct lookup *lookup, const char *name)
{
    size_t len = strlen(name) + 1;
    int ends[2];
    int r = make_pair(ends);

    if (r < 0)
        return r;
    struct asker *asker = mem_alloc(sizeof *asker + len);
    asker->fd = ends[1];
    memcpy(asker->name, name, len);
    HANDLE thread = CreateThread(NULL, 0, run, asker, 0, NULL);
    if (!thread) {
        dial_close(ends[0]);
        dial_close(ends[1]);
        free(asker);
        return -EAGAIN;
    }
    CloseHandle(thread);
    *lookup = (struct lookup){.fd = ends[0]};
    return 0;
}

int lookup_read(struct lookup *lookup, uint16_t port, struct lookup_result *ret_result)
{
    ssize_t n = dial_receive(lookup->fd, lookup->answer, sizeof lookup->answer);

    if (n == -EAGAIN)
        return 0;
    if (n <= 0)
        return ERR_PROTOCOL;
    return lookup_parse(lookup->answer, (size_t)n, port, ret_result);
}

void lookup_finish(struct lookup *lookup)
{
    dial_close(lookup->fd);
}
