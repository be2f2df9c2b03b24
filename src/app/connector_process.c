/* The connector process: hears what workers ask for, and sends them connected sockets. A child of
 * it, confined like itself, looks names up, since the system's resolver waits as long as it likes.
 *
 * worker ──IPC_ASK (value: the asker's number, text: the address' number)──> connector
 * worker <──IPC_ANSWER (value: that number; one fd, or text: the error)── connector */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/connector.h"
#include "app/ipc.h"
#include "app/process_functions.h"
#include "app/settings.h"
#include "app/upstreams.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/fdpass.h"
#include "os/process.h"

enum { SETTINGS_MAX = 64 << 20, QUESTIONS_MAX = 1024 };

struct connector_process {
    const struct process_start *start;
    struct loop *loop;
    struct connector *connector;
    struct loop_watch resolver;
    char *asked[QUESTIONS_MAX]; /* names whose addresses are due, in their order */
    size_t first;
    size_t count;
};

/* ---- names ---- */

/* The child: one name in, its addresses out, until its parent is gone. */
static int resolve_names(int socket)
{
    unsigned char answer[LOOKUP_ANSWER_MAX];
    char name[UPSTREAM_HOST_MAX];

    for (;;) {
        ssize_t len = recv(socket, name, sizeof name - 1, 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return len < 0;
        name[len] = '\0';
        size_t size = lookup_ask(name, answer);
        if (send(socket, answer, size, MSG_NOSIGNAL) < 0)
            return 1;
    }
}

/* @return its socket, or -errno */
static int start_resolver(const struct process_start *start)
{
    int pair[2];
    pid_t parent = getpid();

    int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    if (r < 0)
        return -errno;
    const int keep[] = {start->guardian, pair[1]};
    pid_t pid = process_fork("gardien names", keep, ARRAY_SIZE(keep));
    if (pid == 0) { /* they are 3 and 4 now */
        struct process_start own = *start;
        own.guardian = 3;
        if (process_confine(&own, NULL, 0) < 0)
            _exit(1);
        process_die_with(parent); /* a change of user drops it */
        close(3);
        _exit(resolve_names(4));
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return (int)pid;
    }
    return pair[0];
}

static int ask_resolver(void *context, const char *name)
{
    struct connector_process *process = context;

    if (process->count == QUESTIONS_MAX)
        return -EAGAIN;
    if (send(process->resolver.fd, name, strlen(name), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return -errno;
    process->asked[(process->first + process->count++) % QUESTIONS_MAX] =
        mem_string(span_str(name));
    return 0;
}

static void on_resolver(struct loop_watch *watch, unsigned events)
{
    struct connector_process *process = container_of(watch, struct connector_process, resolver);
    unsigned char bytes[LOOKUP_ANSWER_MAX];
    struct lookup_result result;

    (void)events;
    ssize_t len = recv(watch->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0 || process->count == 0 || lookup_parse(bytes, (size_t)len, 0, &result) < 0) {
        loop_stop(process->loop); /* without it no name is looked up: we are started anew */
        return;
    }
    scoped(mem_release) char *name = take(process->asked[process->first]);
    process->first = (process->first + 1) % QUESTIONS_MAX;
    process->count--;
    if (result.error)
        process_note(process->start, LOG_WARNING,
                     "the name %s of an upstream server cannot be looked up (%s), keeping the "
                     "addresses that are known",
                     name, gai_strerror(result.error));
    connector_resolved(process->connector, name, &result);
}

/* ---- workers ---- */

static void on_answer(void *context, int client, uint64_t number, int fd, int error)
{
    char text[16];
    int r;

    (void)context;
    if (fd >= 0) {
        r = ipc_pass(client, IPC_ANSWER, number, fd);
        close(fd);
        if (r >= 0)
            return;
        error = r;
    }
    int len = snprintf(text, sizeof text, "%d", -error);
    /* A worker that takes no answers notices by its own deadlines. */
    r = ipc_offer(client, IPC_ANSWER, number, span_of(text, (size_t)len));
    (void)r;
}

static bool on_client(void *context, int socket)
{
    struct connector_process *process = context;
    struct ipc_message message;
    uint64_t address;

    int r = ipc_receive(socket, &message);
    if (r == -EAGAIN || r == -EINTR)
        return true;
    if (r <= 0)
        return false;
    bool fine = message.kind == IPC_ASK && message.text_len == sizeof address;
    if (fine) {
        memcpy(&address, message.text, sizeof address);
        connector_ask(process->connector, socket, message.value, address);
    }
    ipc_finish(&message);
    return fine;
}

static void on_client_gone(void *context, int socket)
{
    struct connector_process *process = context;

    connector_forget(process->connector, socket);
}

/* ---- orders ---- */

static int take_settings(struct connector_process *process, int fd)
{
    struct buffer text = buffer_make(SETTINGS_MAX);
    struct settings *settings = NULL;

    int r = ipc_memory_read(fd, &text);
    if (r >= 0)
        r = settings_parse(buffer_span(&text), &settings);
    buffer_finish(&text);
    if (r < 0)
        return r;
    connector_targets_begin(process->connector);
    upstreams_each(settings, connector_target_of, process->connector);
    connector_targets_end(process->connector);
    settings_destroy(settings);
    return 0;
}

static int on_order(void *context, struct ipc_message *message)
{
    if (message->kind != IPC_SETTINGS)
        return 0;
    return message->fd_count ? take_settings(context, message->fds[0]) : ERR_PROTOCOL;
}

static int begin(void *context, struct process_server *server)
{
    struct connector_process *process = context;
    struct loop *loop = process_server_loop(server);
    struct connector_options options = {
        .loop = loop, .on_answer = on_answer, .resolve = ask_resolver, .context = process};

    process->loop = loop;
    process->connector = connector_create(&options);
    return loop_add(loop, &process->resolver, LOOP_LEVEL);
}

static void end(void *context)
{
    struct connector_process *process = context;

    connector_destroy(process->connector);
    for (; process->count > 0; process->count--)
        free(process->asked[process->first++ % QUESTIONS_MAX]);
}

int connector_process_run(const struct process_start *start)
{
    static const struct process_service service = {.begin = begin,
                                                   .on_order = on_order,
                                                   .on_client = on_client,
                                                   .on_client_gone = on_client_gone,
                                                   .end = end};
    struct connector_process process = {.start = start};

    int fd = start_resolver(start);
    if (fd < 0)
        return 1;
    if (process_confine(start, NULL, 0) < 0)
        return PROCESS_UNCONFINED;
    process.resolver = (struct loop_watch){.fd = fd, .on_event = on_resolver};
    return process_serve(start, &service, &process);
}
