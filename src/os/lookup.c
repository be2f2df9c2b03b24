/* getaddrinfo() in a child, its answer through a pipe: a result byte, then an entry an address: 4
 * or 6, the address, and its scope. */
#include "os/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

static size_t write_entry(unsigned char *out, const struct addrinfo *item)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)item->ai_addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)item->ai_addr;

    memset(out, 0, LOOKUP_ENTRY);
    if (item->ai_family == AF_INET) {
        out[0] = 4;
        memcpy(out + 1, &in4->sin_addr, 4);
    } else if (item->ai_family == AF_INET6) {
        out[0] = 6;
        memcpy(out + 1, &in6->sin6_addr, 16);
        memcpy(out + 17, &in6->sin6_scope_id, 4);
    } else {
        return 0;
    }
    return LOOKUP_ENTRY;
}

/* The child. Writing less than PIPE_BUF to an empty pipe is one step. */
static _Noreturn void ask(int out, const char *name)
{
    unsigned char bytes[1 + LOOKUP_ADDRESSES_MAX * LOOKUP_ENTRY];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    size_t len = 1;

    int r = getaddrinfo(name, NULL, &hints, &list);
    bytes[0] = (unsigned char)-r; /* EAI_* are small and negative */
    for (const struct addrinfo *item = list; r == 0 && item; item = item->ai_next)
        if (len + LOOKUP_ENTRY <= sizeof bytes)
            len += write_entry(bytes + len, item);
    _exit(write(out, bytes, len) == (ssize_t)len ? 0 : 1);
}

int lookup_start(struct lookup *lookup, const char *name)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        ask(ends[1], name);
    }
    int error = errno;
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return -error;
    }
    *lookup = (struct lookup){.fd = ends[0], .child = child};
    return 0;
}

static int parse(const unsigned char *bytes, size_t len, uint16_t port,
                 struct lookup_result *ret_result)
{
    struct lookup_result result = {.error = -(int)bytes[0]};

    for (size_t at = 1; at + LOOKUP_ENTRY <= len && result.count < LOOKUP_ADDRESSES_MAX;
         at += LOOKUP_ENTRY) {
        struct socket_address *address = &result.addresses[result.count++];
        struct sockaddr_in *in4 = (struct sockaddr_in *)&address->storage;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
        if (bytes[at] == 4) {
            in4->sin_family = AF_INET;
            memcpy(&in4->sin_addr, bytes + at + 1, 4);
            address->len = sizeof *in4;
        } else {
            in6->sin6_family = AF_INET6;
            memcpy(&in6->sin6_addr, bytes + at + 1, 16);
            memcpy(&in6->sin6_scope_id, bytes + at + 17, 4);
            address->len = sizeof *in6;
        }
        address_set_port(address, port);
    }
    *ret_result = result;
    return 1;
}

int lookup_read(struct lookup *lookup, uint16_t port, struct lookup_result *ret_result)
{
    for (;;) {
        unsigned char *to = lookup->answer + lookup->answer_len;
        size_t room = sizeof lookup->answer - lookup->answer_len;
        ssize_t r = room ? read(lookup->fd, to, room) : 0;
        if (r < 0 && errno == EAGAIN)
            return 0;
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return ERR_PROTOCOL;
        if (r > 0) {
            lookup->answer_len += (size_t)r;
            continue;
        }
        if (lookup->answer_len == 0)
            return ERR_PROTOCOL;
        return parse(lookup->answer, lookup->answer_len, port, ret_result);
    }
}

void lookup_finish(struct lookup *lookup)
{
    close(lookup->fd);
    kill(lookup->child, SIGKILL); /* a zombie at most, until it is waited for */
    while (waitpid(lookup->child, NULL, 0) < 0 && errno == EINTR)
        ;
}
