/* The connection of a probe:
 *
 *   start -> on_event: connected? -> protocol_begin -> receive: protocol_receive ... ->
 * probe_conclude
 *
 * Each read is bounded in bytes and the whole in time, whatever the peer does. What is said over
 * the connection is https.c's, or banner.c's. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "probe/run.h"

enum { CHUNK = 16 * 1024 };

/* ---- ends ---- */

void probe_conclude(struct probe_run *run, int end)
{
    struct probe *probe = run->probe;

    probe->end = end;
    protocol_conclude(run);
    if (run->watch.fd >= 0) {
        dial_path(run->watch.fd, &probe->path);
        loop_remove(run->request.loop, &run->watch);
        dial_close(run->watch.fd);
        run->watch.fd = -1;
    }
    loop_timer_cancel(run->request.loop, &run->timer);
    probe->done = true;
    probe->on_done(probe, probe->context);
}

/* A datagram that never leaves finds out whether the system has a route. */
static bool has_route(const struct socket_address *address)
{
    int fd = dial_udp(address);

    if (fd >= 0)
        dial_close(fd);
    return fd >= 0;
}

/* Is it for lack of a way out of here? Where the system does not name boxes, what a box on the way
 * says reads the same. */
static bool is_without_route(const struct probe_run *run, int error)
{
    bool unreachable = error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT;

    if (dial_names_boxes)
        return unreachable && !run->probe->failure.icmp;
    return (unreachable || error == EHOSTUNREACH) && !has_route(&run->request.address);
}

/* The connection was not made, as probe->failure has it. */
static void conclude_refused(struct probe_run *run, int error)
{
    if (error == ETIMEDOUT)
        probe_conclude(run, PROBE_TIMEOUT);
    else if (is_without_route(run, error))
        probe_conclude(run, PROBE_NO_ROUTE);
    else
        probe_conclude(run, PROBE_REFUSED);
}

/* A connection broke. */
static void fail(struct probe_run *run, int error)
{
    dial_take_failure(run->watch.fd, error, &run->probe->failure);
    probe_conclude(run, error == ETIMEDOUT ? PROBE_TIMEOUT : PROBE_RESET);
}

/* What came instead of TLS. A TLS record begins with its kind (20 to 24) and version 3. */
static int kind_of_bytes(const struct probe_run *run)
{
    struct span first = span_of(run->first, run->first_len);

    if (span_starts(first, SPAN("HTTP/")) || span_starts(first, SPAN("<!")) ||
        span_starts(first, SPAN("<html")))
        return PROBE_PLAIN;
    size_t printable = 0;
    while (printable < first.len && (((unsigned char)first.ptr[printable] >= ' ' &&
                                      (unsigned char)first.ptr[printable] < 0x7f) ||
                                     first.ptr[printable] == '\t'))
        printable++;
    bool line =
        printable < first.len && (first.ptr[printable] == '\r' || first.ptr[printable] == '\n');
    return printable >= 4 && (line || printable == first.len) ? PROBE_BANNER : PROBE_GARBAGE;
}

static void note_banner(struct probe_run *run)
{
    char *out = run->probe->banner;
    size_t i = 0;

    while (i < run->first_len && i + 1 < PROBE_BANNER_MAX && (unsigned char)run->first[i] >= ' ' &&
           (unsigned char)run->first[i] < 0x7f) {
        out[i] = run->first[i];
        i++;
    }
    out[i] = '\0';
}

bool probe_began_tls(const struct probe_run *run)
{
    const unsigned char *b = (const unsigned char *)run->first;

    return run->first_len >= 2 && b[0] >= 20 && b[0] <= 24 && b[1] == 3;
}

void probe_conclude_other(struct probe_run *run)
{
    note_banner(run);
    probe_conclude(run, kind_of_bytes(run));
}

/* ---- bytes ---- */

bool probe_flush(struct probe_run *run)
{
    while (run->out_sent < run->out_len) {
        ssize_t n =
            dial_send(run->watch.fd, run->out + run->out_sent, run->out_len - run->out_sent);
        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            /* What the peer said before it broke off is worth more than EPIPE. */
            run->reset = run->reset || n == -ECONNRESET;
            if (n == -EPIPE || n == -ECONNRESET)
                return true;
            fail(run, (int)-n);
            return false;
        }
        run->out_sent += (size_t)n;
    }
    run->out_sent = run->out_len = 0;
    return true;
}

static void note_first(struct probe_run *run, struct span bytes)
{
    size_t room = sizeof run->first - run->first_len;
    size_t count = bytes.len < room ? bytes.len : room;

    memcpy(run->first + run->first_len, bytes.ptr, count);
    run->first_len += count;
    run->probe->received += bytes.len;
}

static void on_close(struct probe_run *run)
{
    if (protocol_is_in_handshake(run) && run->first_len && !probe_began_tls(run))
        probe_conclude_other(run);
    else
        probe_conclude(run, PROBE_CLOSED);
}

static void receive(struct probe_run *run)
{
    char bytes[CHUNK];

    for (;;) {
        ssize_t n = dial_receive(run->watch.fd, bytes, sizeof bytes);
        if (n == -EAGAIN)
            return;
        if (n < 0) {
            fail(run, (int)-n);
            return;
        }
        if (n == 0 && run->reset) { /* sending has met it, so receiving does not say it again */
            fail(run, ECONNRESET);
            return;
        }
        if (n == 0) {
            on_close(run);
            return;
        }
        note_first(run, span_of(bytes, (size_t)n));
        if (!protocol_receive(run, span_of(bytes, (size_t)n)))
            return;
    }
}

/* ---- the beginning ---- */

static void on_connected(struct probe_run *run)
{
    nsec_t now = nsec_monotonic();

    run->connected = true;
    run->probe->tcp_took = now - run->begun;
    run->begun = now;
    loop_timer_set(run->request.loop, &run->timer, run->request.deadline);
    if (run->request.last == PROBE_TCP)
        probe_conclude(run, PROBE_DONE);
    else
        protocol_begin(run);
}

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct probe_run *run = container_of(watch, struct probe_run, watch);

    if (!run->connected) {
        struct dial_failure failure;
        int r = dial_result(watch->fd, &failure);
        if (r == -EINPROGRESS)
            return;
        if (r < 0)
            run->probe->failure = failure;
        if (r == -ECONNRESET || r == -EPIPE) { /* it was there, and is gone again */
            run->probe->tcp_took = nsec_monotonic() - run->begun;
            run->probe->stage = run->request.tls ? PROBE_TLS : PROBE_HTTP;
            probe_conclude(run, PROBE_RESET);
            return;
        }
        if (r < 0) {
            conclude_refused(run, -r);
            return;
        }
        on_connected(run);
        if (run->watch.fd >= 0) /* what came with the connection is told of only once */
            receive(run);
    } else {
        if ((events & LOOP_WRITABLE) && !probe_flush(run))
            return;
        if (events & (LOOP_READABLE | LOOP_HANGUP))
            receive(run);
    }
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct probe_run *run = container_of(timer, struct probe_run, timer);

    (void)now;
    if (run->pending_error)
        conclude_refused(run, run->pending_error);
    else if (!run->connected)
        probe_conclude(run, PROBE_TIMEOUT);
    else if (protocol_is_in_handshake(run) && run->first_len && !probe_began_tls(run))
        probe_conclude_other(run); /* a few bytes of no TLS, then silence */
    else
        probe_conclude(run, protocol_timeout(run));
}

void probe_start(struct probe *probe, const struct probe_request *request,
                 void (*on_done)(struct probe *probe, void *context), void *context)
{
    struct probe_run *run = mem_new(struct probe_run);
    nsec_t now = nsec_monotonic();
    nsec_t until = now + request->connect_patience;

    *probe = (struct probe){.tcp_took = -1,
                            .tls_took = -1,
                            .first_byte_took = -1,
                            .run = run,
                            .on_done = on_done,
                            .context = context};
    run->probe = probe;
    run->request = *request;
    run->begun = now;
    run->timer.on_timeout = on_timeout;
    int fd = dial_tcp(&request->address, request->mss);
    run->watch = (struct loop_watch){.fd = fd < 0 ? -1 : fd, .on_event = on_event};
    int r = fd < 0 ? fd : loop_add(request->loop, &run->watch, LOOP_EDGE);
    if (r < 0 && fd >= 0) {
        dial_close(fd);
        run->watch.fd = -1;
    }
    run->pending_error = r < 0 ? -r : 0;
    probe->failure.error = run->pending_error;
    loop_timer_set(request->loop, &run->timer,
                   r < 0                       ? now
                   : until < request->deadline ? until
                                               : request->deadline);
}

bool probe_is_over(const struct probe *probe)
{
    return !probe->run || probe->done;
}

bool probe_is_in_handshake(const struct probe *probe)
{
    return probe->run && !probe->done && protocol_is_in_handshake(probe->run);
}

void probe_finish(struct probe *probe)
{
    struct probe_run *run = probe->run;

    if (!run)
        return;
    if (run->watch.fd >= 0) {
        loop_remove(run->request.loop, &run->watch);
        dial_close(run->watch.fd);
    }
    loop_timer_cancel(run->request.loop, &run->timer);
    protocol_finish(run);
    free(run->out);
    free(run);
    free(probe->detail);
    free(probe->location);
    free(probe->hsts);
    free(probe->alt_svc);
    free(probe->server);
    free(probe->cookies);
    *probe = (struct probe){.done = false};
}
