/* The steps of a visit:
 *
 *   start -> on_event: connected? -> shake hands -> ask -> read the head -> conclude
 *
 * Each read is bounded in bytes and the whole in time, whatever the peer does. */
#include "check/visit.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

enum { CHUNK = 16 * 1024, PLAIN_MAX = 64 * 1024 };

struct visit_run {
    struct visit *visit;
    struct visit_request request;
    struct loop_watch watch; /* fd < 0: none */
    struct loop_timer timer;
    struct tls_client *tls;
    struct http_fetch *fetch;
    bool connected, secured, asked;
    nsec_t begun; /* of the stage */
    char *out;    /* TLS_OUT_MIN bytes for the peer */
    size_t out_len, out_sent;
    char first[VISIT_BANNER_MAX]; /* the first bytes that came */
    size_t first_len;
    int pending_error; /* connect() failed at once */
};

/* ---- ends ---- */

static void describe_tls(struct visit_run *run)
{
    struct visit *visit = run->visit;

    if (!run->tls || visit->tls_described)
        return;
    tls_client_describe(run->tls, &visit->tls);
    visit->tls_described = true;
}

static void conclude(struct visit_run *run, int end)
{
    struct visit *visit = run->visit;

    visit->end = end;
    describe_tls(run);
    if (run->tls && run->secured)
        visit->ticket = tls_client_take_ticket(run->tls);
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

/* The connection was not made, as visit->failure has it. */
static void conclude_refused(struct visit_run *run, int error)
{
    bool said = run->visit->failure.icmp;

    if (error == ETIMEDOUT)
        conclude(run, VISIT_TIMEOUT);
    else if (!said && (error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT))
        conclude(run, VISIT_NO_ROUTE);
    else
        conclude(run, VISIT_REFUSED);
}

/* A connection broke. */
static void fail(struct visit_run *run, int error)
{
    dial_take_failure(run->watch.fd, error, &run->visit->failure);
    conclude(run, error == ETIMEDOUT ? VISIT_TIMEOUT : VISIT_RESET);
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

static bool looks_like_tls(const struct visit_run *run)
{
    const unsigned char *b = (const unsigned char *)run->first;

    return run->first_len >= 2 && b[0] >= 20 && b[0] <= 24 && b[1] == 3;
}

static void tls_failed(struct visit_run *run)
{
    struct visit *visit = run->visit;
    struct tls_client_facts facts;

    visit->detail = mem_string(span_str(tls_last_error()));
    tls_client_describe(run->tls, &facts);
    visit->tls.alert = facts.alert; /* it may come after what was described */
    tls_client_facts_finish(&facts);
    if (visit->tls.alert >= 0) {
        conclude(run, VISIT_ALERT);
    } else if (run->first_len && !looks_like_tls(run)) {
        note_banner(run);
        conclude(run, kind_of_bytes(run));
    } else {
        conclude(run, VISIT_BROKEN);
    }
}

/* ---- sending ---- */

/* @return false when the visit ended */
static bool flush(struct visit_run *run)
{
    while (run->out_sent < run->out_len) {
        ssize_t n =
            dial_send(run->watch.fd, run->out + run->out_sent, run->out_len - run->out_sent);
        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            /* What the peer said before it broke off is worth more than EPIPE. */
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

static struct tls_io lend(struct visit_run *run, struct span in)
{
    return (struct tls_io){
        .in = in, .out = run->out, .out_len = run->out_len, .out_cap = TLS_OUT_MIN * 2};
}

/* Moves what the fetch wants to send to the peer. @return false when the visit ended */
static bool send_request(struct visit_run *run)
{
    char plain[HTTP_FETCH_OUT];
    ssize_t len = http_fetch_output(run->fetch, plain, sizeof plain);

    if (len < 0 || run->out_len + tls_sealed_size((size_t)len) > TLS_OUT_MIN) {
        conclude(run, VISIT_FLOOD);
        return false;
    }
    if (len > 0 && run->tls) {
        struct tls_io io = lend(run, (struct span){0});
        if (tls_client_write(run->tls, &io, span_of(plain, (size_t)len)) < 0) {
            tls_failed(run);
            return false;
        }
        run->out_len = io.out_len;
    } else if (len > 0) {
        memcpy(run->out + run->out_len, plain, (size_t)len);
        run->out_len += (size_t)len;
    }
    return flush(run);
}

/* @return false when the visit ended */
static bool ask(struct visit_run *run)
{
    bool h2 = run->tls && strcmp(run->visit->tls.alpn, "h2") == 0;
    struct http_fetch_request request = {.version = h2 ? HTTP_2 : HTTP_1_1,
                                         .scheme = run->tls ? "https" : "http",
                                         .authority = run->request.authority,
                                         .path = run->request.path,
                                         .user_agent = "gardien-check/" GARDIEN_VERSION};

    if (http_fetch_create(&request, &run->fetch) < 0) {
        conclude(run, VISIT_BROKEN);
        return false;
    }
    run->asked = true;
    run->begun = nsec_monotonic();
    return send_request(run);
}

/* ---- receiving ---- */

static char *keep_field(const struct http_fetch *fetch, struct span name)
{
    struct span value = http_fetch_value(fetch, name);

    if (!value.ptr)
        return NULL;
    return mem_string(
        span_of(value.ptr, value.len < VISIT_VALUE_MAX ? value.len : VISIT_VALUE_MAX));
}

/* @return false when the visit ended */
static bool take_plain(struct visit_run *run, struct span bytes)
{
    struct visit *visit = run->visit;
    int r = http_fetch_input(run->fetch, bytes);

    if (visit->first_byte_took < 0)
        visit->first_byte_took = nsec_monotonic() - run->begun;
    if (r == 0)
        return send_request(run);
    if (r < 0) {
        conclude(run, r == ERR_LIMIT    ? VISIT_FLOOD
                      : r == ERR_CLOSED ? VISIT_CLOSED
                                        : VISIT_GARBAGE);
        return false;
    }
    visit->status = http_fetch_status(run->fetch);
    visit->version = http_fetch_version(run->fetch);
    visit->location = keep_field(run->fetch, SPAN("location"));
    visit->hsts = keep_field(run->fetch, SPAN("strict-transport-security"));
    visit->alt_svc = keep_field(run->fetch, SPAN("alt-svc"));
    visit->server = keep_field(run->fetch, SPAN("server"));
    conclude(run, VISIT_DONE);
    return false;
}

/* @return false when the visit ended */
static bool shake_hands(struct visit_run *run, struct tls_io *io)
{
    int r = tls_client_handshake(run->tls, io);

    run->out_len = io->out_len;
    bool asks = r > 0 && run->request.last == VISIT_HTTP; /* then both leave in one segment */
    if (!asks && !flush(run))
        return false;
    if (r < 0) {
        tls_failed(run);
        return false;
    }
    if (r == 0 && run->visit->received > VISIT_HANDSHAKE_MAX) {
        conclude(run, VISIT_FLOOD);
        return false;
    }
    if (r == 0)
        return true;
    run->secured = true;
    run->visit->tls_took = nsec_monotonic() - run->begun;
    describe_tls(run);
    if (run->request.last == VISIT_TLS) {
        conclude(run, VISIT_DONE);
        return false;
    }
    run->visit->stage = VISIT_HTTP;
    return ask(run);
}

/* @return false when the visit ended */
static bool read_secured(struct visit_run *run, struct tls_io *io)
{
    char plain[TLS_READ_MIN];
    ssize_t n;

    while ((n = tls_client_read(run->tls, io, plain, sizeof plain)) > 0)
        if (!take_plain(run, span_of(plain, (size_t)n)))
            return false;
    if (n == 0)
        return true;
    if (n == ERR_CLOSED)
        conclude(run, VISIT_CLOSED);
    else
        tls_failed(run);
    return false;
}

/* @return false when the visit ended */
static bool take_bytes(struct visit_run *run, struct span bytes)
{
    size_t room = sizeof run->first - run->first_len;
    size_t count = bytes.len < room ? bytes.len : room;

    memcpy(run->first + run->first_len, bytes.ptr, count);
    run->first_len += count;
    run->visit->received += bytes.len;
    if (!run->tls)
        return take_plain(run, bytes);
    struct tls_io io = lend(run, bytes);
    if (!run->secured && !shake_hands(run, &io))
        return false;
    if (!run->secured)
        return true;
    io.out_len = run->out_len;
    return read_secured(run, &io);
}

static void on_close(struct visit_run *run)
{
    if (run->tls && !run->secured && run->first_len && !looks_like_tls(run)) {
        note_banner(run);
        conclude(run, kind_of_bytes(run));
    } else {
        conclude(run, VISIT_CLOSED);
    }
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
        if (n == 0) {
            on_close(run);
            return;
        }
        if (!take_bytes(run, span_of(bytes, (size_t)n)))
            return;
    }
}

/* ---- the beginning ---- */

static void on_connected(struct visit_run *run)
{
    struct visit *visit = run->visit;
    nsec_t now = nsec_monotonic();

    run->connected = true;
    visit->tcp_took = now - run->begun;
    run->begun = now;
    loop_timer_set(run->request.loop, &run->timer, run->request.deadline);
    if (run->request.last == VISIT_TCP) {
        conclude(run, VISIT_DONE);
    } else if (run->request.tls) {
        visit->stage = VISIT_TLS;
        struct tls_client_options options = {.server_name = run->request.server_name,
                                             .alpn = run->request.alpn,
                                             .resume = run->request.resume};
        if (tls_client_create(run->request.tls, &options, &run->tls) < 0) {
            conclude(run, VISIT_BROKEN);
            return;
        }
        struct tls_io io = lend(run, (struct span){0});
        (void)shake_hands(run, &io);
    } else {
        visit->stage = VISIT_HTTP;
        (void)ask(run);
    }
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
            conclude(run, VISIT_RESET);
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
        if ((events & LOOP_WRITABLE) && !flush(run))
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
    else if (run->tls && !run->secured && run->first_len && !looks_like_tls(run))
        on_close(run); /* a few bytes of no TLS, then silence */
    else
        conclude(run, VISIT_TIMEOUT);
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
    run->out = mem_alloc(TLS_OUT_MIN * 2);
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

bool visit_is_in_handshake(const struct visit *visit)
{
    return visit->run && !visit->done && visit->run->tls && !visit->run->secured;
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
    tls_client_destroy(run->tls);
    http_fetch_destroy(run->fetch);
    free(run->out);
    free(run);
    if (visit->tls_described)
        tls_client_facts_finish(&visit->tls);
    tls_ticket_destroy(visit->ticket);
    free(visit->detail);
    free(visit->location);
    free(visit->hsts);
    free(visit->alt_svc);
    free(visit->server);
    *visit = (struct visit){.done = false};
}
