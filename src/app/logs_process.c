/* The process that writes log files, so that a slow disk stops nobody else. Which files, and when
 * they are opened anew, is the guardian's. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/clients.h"
#include "app/helpers.h"
#include "app/ipc.h"
#include "base/nsec.h"
#include "os/sandbox.h"

#define COMPLAIN_EVERY (60 * NSEC_PER_SEC)

struct stream {
    char letter;
    int fd; /* -1: not written */
    nsec_t complained;
    bool torn; /* the last line has no end yet */
};

struct logs_process {
    int guardian;
    struct clients clients;
    struct stream streams[2];
    char packet[IPC_LOG_PACKET];
};

static struct stream *find_stream(struct logs_process *logs, char letter)
{
    for (size_t i = 0; i < ARRAY_SIZE(logs->streams); i++)
        if (logs->streams[i].letter == letter)
            return &logs->streams[i];
    return NULL;
}

static void complain(struct logs_process *logs, struct stream *stream, int error)
{
    nsec_t now = nsec_monotonic();

    if (stream->complained && now - stream->complained < COMPLAIN_EVERY)
        return;
    stream->complained = now;
    /* When the guardian cannot be told, there is nobody left to tell. */
    int r = ipc_say(logs->guardian, IPC_LOG_TROUBLE, (uint64_t)error, span_of(&stream->letter, 1));
    (void)r;
}

/* @return bytes written: fewer than given when the file takes no more */
static size_t write_text(struct logs_process *logs, struct stream *stream, struct span text)
{
    size_t done = 0;

    while (done < text.len) {
        ssize_t n = write(stream->fd, text.ptr + done, text.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            complain(logs, stream, errno);
            break;
        }
        done += (size_t)n;
    }
    return done;
}

/* A full disk may take half a line: what comes when there is room again begins on a new one. */
static void write_lines(struct logs_process *logs, struct stream *stream, struct span lines)
{
    if (stream->torn && write_text(logs, stream, SPAN("\n")) == 0)
        return;
    size_t done = write_text(logs, stream, lines);
    stream->torn = done > 0 && lines.ptr[done - 1] != '\n';
}

static bool take_lines(void *context, int socket)
{
    struct logs_process *logs = context;

    ssize_t n = recv(socket, logs->packet, sizeof logs->packet, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    struct stream *stream = find_stream(logs, logs->packet[0]);
    if (stream && stream->fd >= 0)
        write_lines(logs, stream, span_of(logs->packet + 1, (size_t)n - 1));
    return true;
}

static void take_files(struct logs_process *logs, struct ipc_message *message)
{
    for (size_t i = 0; i < ARRAY_SIZE(logs->streams); i++) {
        if (logs->streams[i].fd >= 0)
            close(logs->streams[i].fd);
        logs->streams[i].fd = -1;
    }
    for (size_t i = 0; i < message->text_len && i < message->fd_count; i++) {
        struct stream *stream = find_stream(logs, message->text[i]);
        if (!stream || stream->fd >= 0)
            continue;
        stream->fd = message->fds[i];
        stream->complained = 0;
        stream->torn = false;
        message->fds[i] = -1;
    }
}

/* @return 1 to go on, 0 when the guardian is gone, or an error */
static int obey(struct logs_process *logs)
{
    struct ipc_message message;

    int r = ipc_receive(logs->guardian, &message);
    if (r <= 0)
        return r == -EAGAIN ? 1 : r;
    if (message.kind == IPC_LOG_FILES)
        take_files(logs, &message);
    if (message.kind == IPC_CLIENT && message.fd_count == 1) {
        clients_add(&logs->clients, message.fds[0]);
        message.fds[0] = -1;
    }
    ipc_finish(&message);
    return 1;
}

/* What was sent before the end is still in the sockets. */
static void drain(struct logs_process *logs)
{
    for (size_t i = 1; i < logs->clients.count; i++) {
        ssize_t n;
        do
            n = recv(logs->clients.items[i].fd, logs->packet, 1, MSG_PEEK | MSG_DONTWAIT);
        while (n > 0 && take_lines(logs, logs->clients.items[i].fd));
    }
}

static int confine(const char *user)
{
    int r = user ? sandbox_switch_user(user) : 0;

    if (r >= 0)
        r = sandbox_no_new_privs();
    if (r >= 0)
        r = sandbox_landlock(NULL, 0);
    if (r < 0 && r != -ENOSYS && r != -EOPNOTSUPP)
        return r;
    return sandbox_seccomp(SANDBOX_LOGS);
}

int logs_process_run(int guardian, const char *user)
{
    struct logs_process logs = {.guardian = guardian,
                                .streams = {{'a', -1, 0, false}, {'e', -1, 0, false}}};

    clients_init(&logs.clients, guardian);
    int r = confine(user);
    while (r >= 0) {
        r = clients_wait(&logs.clients);
        if (r < 0)
            break;
        clients_serve(&logs.clients, take_lines, &logs);
        if (logs.clients.items[0].revents) {
            r = obey(&logs);
            if (r == 0)
                break;
        }
    }
    drain(&logs);
    clients_finish(&logs.clients);
    return r < 0 ? 1 : 0;
}
