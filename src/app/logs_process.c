/* The process that writes log files, so that a slow disk stops nobody else. Which files, and when
 * they are opened anew, is the guardian's. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/process_functions.h"
#include "base/nsec.h"

#define COMPLAIN_EVERY (60 * NSEC_PER_SEC)

struct stream {
    char letter;
    int fd; /* -1: not written */
    nsec_t complained;
    bool torn; /* the last line has no end yet */
};

struct logs_process {
    const struct process_start *start;
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
    int r = ipc_say(logs->start->guardian, IPC_LOG_TROUBLE, (uint64_t)error,
                    span_of(&stream->letter, 1));
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

static int on_order(void *context, struct ipc_message *message)
{
    struct logs_process *logs = context;

    if (message->kind != IPC_LOG_FILES)
        return 0;
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
    return 0;
}

int logs_process_run(const struct process_start *start)
{
    static const struct process_service service = {
        .on_order = on_order, .on_client = take_lines, .drains = true};
    struct logs_process logs = {.start = start,
                                .streams = {{'a', -1, 0, false}, {'e', -1, 0, false}}};

    return process_serve(start, &service, &logs);
}
