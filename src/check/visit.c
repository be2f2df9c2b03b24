/* The connection of a visit:
 *
 *   start -> on_event: connected? -> talk_begin -> receive: talk_take ... -> visit_conclude
 *
 * Each read is bounded in bytes and the whole in time, whatever the peer does. What is said over
 * the connection is visit_https.c's, or visit_listen.c's. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check/visit_run.h"

enum { CHUNK = 16 * 1024 };

/* ---- ends ---- */

void visit_conclude(struct visit_run *run, int end)
{
    struct visit *visit = run->visit;

    visit->end = end;
    talk_conclude(run);
    if (run->watch.fd >= 0) {
        dial_path(run->watch.fd, &visit->path);
        loop_remove(run->request.loop, &run->watch);
        dial_close(run->watch.fd);
        run->watch.fd = -1;
    }
    loop_timer_cancel(run->request.loop, &run->timer);
    visit->done = true;
    visit->on_done(visit, visit->context);
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
static bool is_without_route(const struct visit_run *run, int error)
{
    bool unreachable = error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT;

    if (dial_names_boxes)
        return unreachable && !run->visit->failure.icmp;
    return (unreachable || error == EHOSTUNREACH) && !has_route(&run->request.address);
}

/* The connection was not made, as visit->failure has it. */
static void conclude_refused(struct visit_run *run, int error)
{
    if (error == ETIMEDOUT)
        visit_conclude(run, VISIT_TIMEOUT);
    else if (is_without_route(run, error))
        visit_conclude(run, VISIT_NO_ROUTE);
    else
        visit_conclude(run, VISIT_REFUSED);
}

/* A connection broke. */
static void fail(struct visit_run *run, int error)
{
    dial_take_failure(run->watch.fd, error, &run->visit->failure);
    visit_conclude(run, error == ETIMEDOUT ? VISIT_TIMEOUT : VISIT_RESET);
}

/* What came instead of TLS. A TLS record begins with its kind (20 to 24) and version 3. */
static int kind_of_bytes(const struct visit_run *run)
{
    struct span first = span_of(run->first, run->first_len);

    if (span_starts(first, SPAN("HTTP/")) || span_starts(first, SPAN("<!")) ||
        span_starts(first, SPAN("<html")))
        return VISIT_PLAIN;
    size_t printable = 0;
    while (printable < first.len && (((unsigned char)first.ptr[printable] >= ' ' &&
                                      (unsigned char)first.ptr[printable] < 0x7f) ||
                                     first.ptr[printable] == '\t'))
        printable++;
    bool line =
        printable < first.len && (first.ptr[printable] == '\r' || first.ptr[printable] == '\n');
    return printable >= 4 && (line || printable == first.len) ? VISIT_BANNER : VISIT_GARBAGE;
}

static void note_banner(struct visit_run *run)
{
    char *out = run->visit->banner;
    size_t i = 0;

    while (i < run->first_len && i + 1 < VISIT_BANNER_MAX && (unsigned char)run->first[i] >= ' ' &&
           (unsigned char)run->first[i] < 0x7f) {
        out[i] = run->first[i];
        i++;
    }
    out[i] = '\0';
}

bool visit_began_tls(const struct visit_run *run)
{
    const unsigned char *b = (const unsigned char *)run->first;

    return run->first_len >= 2 && b[0] >= 20 && b[0] <= 24 && b[1] == 3;
}

void visit_conclude_other(struct visit_run *run)
{
    note_banner(run);
    visit_conclude(run, kind_of_bytes(run));
}

/* ---- bytes ---- */

bool visit_flush(struct visit_run *run)
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

static void note_first(struct visit_run *run, struct span bytes)
{
    size_t room = sizeof run->first - run->first_len;
    size_t count = bytes.len < room ? bytes.len : room;

    memcpy(run->first + run->first_len, bytes.ptr, count);
    run->first_len += count;
    run->visit->received += bytes.len;
}

static void on_close(struct visit_run *run)
{
    if (talk_is_in_handshake(run) && run->first_len && !visit_began_tls(run))
        visit_conclude_other(run);
    else
        visit_conclude(run, VISIT_CLOSED);
}

static void receive(struct visit_run *run)
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
        if (!talk_take(run, span_of(bytes, (size_t)n)))
            return;
    }
}

/* ---- the beginning ---- */

static void on_connected(struct visit_run *run)
{
    nsec_t now = nsec_monotonic();

    run->connected = true;
    run->visit->tcp_took = now - run->begun;
    run->begun = now;
    loop_timer_set(run->request.loop, &run->timer, run->request.deadline);
    if (run->request.last == VISIT_TCP)
        visit_conclude(run, VISIT_DONE);
    else
        talk_begin(run);
}

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct visit_run *run = container_of(watch, struct visit_run, watch);

    if (!run->connected) {
        struct dial_failure failure;
        int r = dial_result(watch->fd, &failure);
        if (r == -EINPROGRESS)
            return;
        if (r < 0)
            run->visit->failure = failure;
        if (r == -ECONNRESET || r == -EPIPE) { /* it was there, and is gone again */
            run->visit->tcp_took = nsec_monotonic() - run->begun;
            run->visit->stage = run->request.tls ? VISIT_TLS : VISIT_HTTP;
            visit_conclude(run, VISIT_RESET);
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
        if ((events & LOOP_WRITABLE) && !visit_flush(run))
            return;
        if (events & (LOOP_READABLE | LOOP_HANGUP))
            receive(run);
    }
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct visit_run *run = container_of(timer, struct visit_run, timer);

    (void)now;
    if (run->pending_error)
        conclude_refused(run, run->pending_error);
    else if (!run->connected)
        visit_conclude(run, VISIT_TIMEOUT);
    else if (talk_is_in_handshake(run) && run->first_len && !visit_began_tls(run))
        visit_conclude_other(run); /* a few bytes of no TLS, then silence */
    else
        visit_conclude(run, talk_silence(run));
}

void visit_start(struct visit *visit, const struct visit_request *request,
                 void (*on_done)(struct visit *visit, void *context), void *context)
{
    struct visit_run *run = mem_new(struct visit_run);
    nsec_t now = nsec_monotonic();
    nsec_t until = now + request->connect_patience;

    *visit = (struct visit){.tcp_took = -1,
                            .tls_took = -1,
                            .first_byte_took = -1,
                            .run = run,
                            .on_done = on_done,
                            .context = context};
    run->visit = visit;
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
    visit->failure.error = run->pending_error;
    loop_timer_set(request->loop, &run->timer,
                   r < 0                       ? now
                   : until < request->deadline ? until
                                               : request->deadline);
}

bool visit_is_over(const struct visit *visit)
{
    return !visit->run || visit->done;
}

bool visit_is_in_handshake(const struct visit *visit)
{
    return visit->run && !visit->done && talk_is_in_handshake(visit->run);
}

void visit_finish(struct visit *visit)
{
    struct visit_run *run = visit->run;

    if (!run)
        return;
    if (run->watch.fd >= 0) {
        loop_remove(run->request.loop, &run->watch);
        dial_close(run->watch.fd);
    }
    loop_timer_cancel(run->request.loop, &run->timer);
    talk_finish(run);
    free(run->out);
    free(run);
    free(visit->detail);
    free(visit->location);
    free(visit->hsts);
    free(visit->alt_svc);
    free(visit->server);
    *visit = (struct visit){.done = false};
}
