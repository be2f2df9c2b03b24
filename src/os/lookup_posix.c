/* getaddrinfo() in a child, its answer through a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "os/lookup.h"

#ifdef __APPLE__
const char lookup_place[] = "the DNS servers in the network settings (`scutil --dns`)";
#else
const char lookup_place[] = "the line \"hosts\" in /etc/nsswitch.conf, and /etc/resolv.conf";
#endif
const char lookup_hosts[] = "/etc/hosts";

/* The child. Writing less than PIPE_BUF to an empty pipe is one step. */
static _Noreturn void ask(int out, const char *name)
{
    unsigned char bytes[LOOKUP_ANSWER_MAX];
    size_t len = lookup_ask(name, bytes);

    _exit(write(out, bytes, len) == (ssize_t)len ? 0 : 1);
}

int lookup_start(struct lookup *lookup, const char *name)
{
    int ends[2];

    if (pipe(ends) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0 || fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0)
            abort(); /* both are ours */
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
        return lookup_parse(lookup->answer, lookup->answer_len, port, ret_result);
    }
}

void lookup_finish(struct lookup *lookup)
{
    close(lookup->fd);
    kill(lookup->child, SIGKILL); /* a zombie at most, until it is waited for */
    while (waitpid(lookup->child, NULL, 0) < 0 && errno == EINTR)
        ;
}
