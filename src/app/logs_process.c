/* The process that writes log files, so that a slow disk stops nobody else. Which files, and when
 * they are opened anew, is the guardian's. A file that takes nothing for a while (a pipe whose
 * reader is slow) keeps its lines waiting here, up to a bound, and does not stop the other file. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/process_functions.h"
#include "base/buffer.h"
#include "base/nsec.h"
#include "os/loop.h"
#include "os/output.h"

#define COMPLAIN_EVERY (60 * NSEC_PER_SEC)

enum {
    WAITING_MAX = 4 << 20, /* bytes of a stream that wait for its file to take more */
    END_MS = 800,          /* for what waits at the end; the guardian gives a second */
};

struct stream {
    struct logs_process *logs;
    char letter;
    struct output output; /* fd -1: not written */
    struct loop_watch watch;
    bool watched;
    struct buffer waiting;
    uint64_t dropped; /* lines, since room was last found */
    nsec_t complained;
    bool torn; /* the last line has no end yet */
};

struct logs_process {
    const struct process_start *start;
    struct loop *loop;
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

static uint64_t count_lines(struct span text)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

/* @param error  errno, or 0 when there is room again */
static void tell(struct stream *stream, int error)
{
    char text[24];

    snprintf(text, sizeof text, "%c%llu", stream->letter, (unsigned long long)stream->dropped);
    /* When the guardian cannot be told, there is nobody left to tell. */
    int r =
        ipc_offer(stream->logs->start->guardian, IPC_LOG_TROUBLE, (uint64_t)error, span_str(text));
    (void)r;
}

static void complain(struct stream *stream, int error)
{
    nsec_t now = nsec_monotonic();

    if (stream->complained && now - stream->complained < COMPLAIN_EVERY)
        return;
    stream->complained = now;
    tell(stream, error);
}

static void drop(struct stream *stream, struct span lines, int error)
{
    stream->dropped += count_lines(lines);
    complain(stream, error);
}

/* ---- writing ---- */

/* @return bytes written: fewer than given when the file takes no more, for the reason of ret_error
 */
static size_t write_text(struct stream *stream, struct span text, int *ret_error)
{
    size_t done = 0;

    *ret_error = 0;
    while (done < text.len && *ret_error == 0) {
        ssize_t n = output_write(&stream->output, span_of(text.ptr + done, text.len - done));
        if (n < 0)
            *ret_error = (int)-n;
        else
            done += (size_t)n;
    }
    if (done)
        stream->torn = text.ptr[done - 1] != '\n';
    return done;
}

static void on_room(struct loop_watch *watch, unsigned events);

/* Keeps what the file has no room for. */
static void keep(struct stream *stream, struct span lines)
{
    if (stream->waiting.len + lines.len > WAITING_MAX ||
        buffer_append(&stream->waiting, lines.ptr, lines.len) < 0) {
        drop(stream, lines, EAGAIN);
        return;
    }
    if (stream->watched)
        return;
    stream->watch = (struct loop_watch){.fd = stream->output.fd, .on_event = on_room};
    stream->watched = loop_add(stream->logs->loop, &stream->watch, LOOP_EDGE) >= 0;
}

static void unwatch(struct stream *stream)
{
    if (stream->watched)
        loop_remove(stream->logs->loop, &stream->watch);
    stream->watched = false;
}

static void drop_waiting(struct stream *stream, int error)
{
    drop(stream, buffer_span(&stream->waiting), error);
    buffer_consume(&stream->waiting, stream->waiting.len);
}

static void flush(struct stream *stream)
{
    int error;

    if (!stream->waiting.len)
        return;
    buffer_consume(&stream->waiting, write_text(stream, buffer_span(&stream->waiting), &error));
    if (error == EAGAIN) {
        loop_write_again(stream->logs->loop, &stream->watch);
        return;
    }
    if (error)
        drop_waiting(stream, error);
    unwatch(stream);
    if (!error && stream->dropped) {
        tell(stream, 0);
        stream->dropped = 0;
    }
}

static void on_room(struct loop_watch *watch, unsigned events)
{
    (void)events;
    flush(container_of(watch, struct stream, watch));
}

/* A full disk may take half a line: what comes when there is room again begins on a new one. */
static void write_lines(struct stream *stream, struct span lines)
{
    int error = 0;

    flush(stream);
    if (stream->waiting.len) {
        keep(stream, lines);
        return;
    }
    if (stream->torn && write_text(stream, SPAN("\n"), &error) == 0) {
        drop(stream, lines, error);
        return;
    }
    size_t done = write_text(stream, lines, &error);
    struct span rest = span_of(lines.ptr + done, lines.len - done);
    if (error == EAGAIN)
        keep(stream, rest);
    else if (error)
        drop(stream, rest, error);
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
    if (stream && stream->output.fd >= 0)
        write_lines(stream, span_of(logs->packet + 1, (size_t)n - 1));
    return true;
}

/* ---- files ---- */

/* What still waits goes to the next file; the end of a line that the old one has begun does not. */
static void close_stream(struct stream *stream)
{
    flush(stream);
    unwatch(stream);
    ptrdiff_t end = stream->torn ? span_find(buffer_span(&stream->waiting), '\n') : -1;
    if (end >= 0)
        buffer_consume(&stream->waiting, (size_t)end + 1);
    output_close(&stream->output);
    stream->torn = false;
    stream->complained = 0;
}

static int on_order(void *context, struct ipc_message *message)
{
    struct logs_process *logs = context;

    if (message->kind != IPC_LOG_FILES)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(logs->streams); i++)
        close_stream(&logs->streams[i]);
    for (size_t i = 0; i < message->text_len && i < message->fd_count; i++) {
        struct stream *stream = find_stream(logs, message->text[i]);
        if (!stream || stream->output.fd >= 0)
            continue;
        output_adopt(&stream->output, message->fds[i]);
        message->fds[i] = -1;
        struct buffer waiting = stream->waiting;
        stream->waiting = buffer_make(WAITING_MAX);
        if (waiting.len)
            write_lines(stream, buffer_span(&waiting));
        buffer_finish(&waiting);
    }
    return 0;
}

static int begin(void *context, struct process_server *server)
{
    struct logs_process *logs = context;

    logs->loop = process_server_loop(server);
    return 0;
}

static void end(void *context)
{
    struct logs_process *logs = context;
    nsec_t until = nsec_monotonic() + END_MS * NSEC_PER_MSEC;

    for (size_t i = 0; i < ARRAY_SIZE(logs->streams); i++) {
        struct stream *stream = &logs->streams[i];
        while (stream->waiting.len && nsec_monotonic() < until) {
            poll(&(struct pollfd){.fd = stream->output.fd, .events = POLLOUT}, 1, 20);
            flush(stream);
        }
        unwatch(stream);
        output_close(&stream->output);
        buffer_finish(&stream->waiting);
    }
}

int logs_process_run(const struct process_start *start)
{
    static const struct process_service service = {
        .begin = begin, .on_order = on_order, .on_client = take_lines, .drains = true, .end = end};
    struct logs_process logs = {.start = start};
    static const char letters[] = {IPC_LOG_ACCESS, IPC_LOG_ERROR};

    for (size_t i = 0; i < ARRAY_SIZE(logs.streams); i++)
        logs.streams[i] = (struct stream){.logs = &logs,
                                          .letter = letters[i],
                                          .output.fd = -1,
                                          .waiting = buffer_make(WAITING_MAX)};
    return process_serve(start, &service, &logs);
}
