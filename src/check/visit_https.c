/* What a visit says: the handshake of TLS, and one GET. */
#include <stdlib.h>

#include "base/mem.h"
#include "check/visit_run.h"
#include "http/http.h"
#include "tls/tls.h"

struct visit_talk {
    struct tls_client *tls; /* NULL: plain HTTP */
    struct http_fetch *fetch;
    bool secured;
};

/* ---- ends ---- */

static void describe(struct visit_run *run)
{
    struct visit *visit = run->visit;

    if (!run->talk->tls || visit->tls)
        return;
    visit->tls = mem_new(struct tls_client_facts);
    tls_client_describe(run->talk->tls, visit->tls);
}

void talk_conclude(struct visit_run *run)
{
    if (!run->talk)
        return;
    describe(run);
    if (run->talk->tls && run->talk->secured)
        run->visit->ticket = tls_client_take_ticket(run->talk->tls);
}

void talk_finish(struct visit_run *run)
{
    struct visit *visit = run->visit;

    if (run->talk) {
        tls_client_destroy(run->talk->tls);
        http_fetch_destroy(run->talk->fetch);
        free(run->talk);
    }
    if (visit->tls)
        tls_client_facts_finish(visit->tls);
    free(visit->tls);
    tls_ticket_destroy(visit->ticket);
}

int talk_silence(const struct visit_run *run)
{
    return VISIT_TIMEOUT;
}

bool talk_is_in_handshake(const struct visit_run *run)
{
    return run->talk && run->talk->tls && !run->talk->secured;
}

static void tls_failed(struct visit_run *run)
{
    struct visit *visit = run->visit;
    struct tls_client_facts facts;

    visit->detail = mem_string(span_str(tls_last_error()));
    describe(run);
    tls_client_describe(run->talk->tls, &facts);
    visit->tls->alert = facts.alert; /* it may come after what was described */
    tls_client_facts_finish(&facts);
    if (visit->tls->alert >= 0) {
        visit_conclude(run, VISIT_ALERT);
    } else if (run->first_len && !visit_began_tls(run)) {
        visit_conclude_other(run);
    } else {
        visit_conclude(run, VISIT_BROKEN);
    }
}

/* ---- asking ---- */

static struct tls_io lend(struct visit_run *run, struct span in)
{
    return (struct tls_io){
        .in = in, .out = run->out, .out_len = run->out_len, .out_cap = TLS_OUT_MIN * 2};
}

/* Moves what the fetch wants to send to the peer. @return false when the visit ended */
static bool send_request(struct visit_run *run)
{
    char plain[HTTP_FETCH_OUT];
    ssize_t len = http_fetch_output(run->talk->fetch, plain, sizeof plain);

    if (len < 0 || run->out_len + tls_sealed_size((size_t)len) > TLS_OUT_MIN) {
        visit_conclude(run, VISIT_FLOOD);
        return false;
    }
    if (len > 0 && run->talk->tls) {
        struct tls_io io = lend(run, (struct span){0});
        if (tls_client_write(run->talk->tls, &io, span_of(plain, (size_t)len)) < 0) {
            tls_failed(run);
            return false;
        }
        run->out_len = io.out_len;
    } else if (len > 0) {
        memcpy(run->out + run->out_len, plain, (size_t)len);
        run->out_len += (size_t)len;
    }
    return visit_flush(run);
}

/* @return false when the visit ended */
static bool ask(struct visit_run *run)
{
    bool h2 = run->talk->tls && strcmp(run->visit->tls->alpn, "h2") == 0;
    struct http_fetch_request request = {.version = h2 ? HTTP_2 : HTTP_1_1,
                                         .scheme = run->talk->tls ? "https" : "http",
                                         .authority = run->request.authority,
                                         .path = run->request.path,
                                         .user_agent = "gardien-check/" GARDIEN_VERSION};

    if (http_fetch_create(&request, &run->talk->fetch) < 0) {
        visit_conclude(run, VISIT_BROKEN);
        return false;
    }
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
    int r = http_fetch_input(run->talk->fetch, bytes);

    if (visit->first_byte_took < 0)
        visit->first_byte_took = nsec_monotonic() - run->begun;
    if (r == 0)
        return send_request(run);
    if (r < 0) {
        visit_conclude(run, r == ERR_LIMIT    ? VISIT_FLOOD
                            : r == ERR_CLOSED ? VISIT_CLOSED
                                              : VISIT_GARBAGE);
        return false;
    }
    visit->status = http_fetch_status(run->talk->fetch);
    visit->version = http_fetch_version(run->talk->fetch);
    visit->location = keep_field(run->talk->fetch, SPAN("location"));
    visit->hsts = keep_field(run->talk->fetch, SPAN("strict-transport-security"));
    visit->alt_svc = keep_field(run->talk->fetch, SPAN("alt-svc"));
    visit->server = keep_field(run->talk->fetch, SPAN("server"));
    visit_conclude(run, VISIT_DONE);
    return false;
}

/* @return false when the visit ended */
static bool shake_hands(struct visit_run *run, struct tls_io *io)
{
    int r = tls_client_handshake(run->talk->tls, io);

    run->out_len = io->out_len;
    bool asks = r > 0 && run->request.last == VISIT_HTTP; /* then both leave in one segment */
    if (!asks && !visit_flush(run))
        return false;
    if (r < 0) {
        tls_failed(run);
        return false;
    }
    if (r == 0 && run->visit->received > VISIT_HANDSHAKE_MAX) {
        visit_conclude(run, VISIT_FLOOD);
        return false;
    }
    if (r == 0)
        return true;
    run->talk->secured = true;
    run->visit->tls_took = nsec_monotonic() - run->begun;
    describe(run);
    if (run->request.last == VISIT_TLS) {
        visit_conclude(run, VISIT_DONE);
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

    while ((n = tls_client_read(run->talk->tls, io, plain, sizeof plain)) > 0)
        if (!take_plain(run, span_of(plain, (size_t)n)))
            return false;
    if (n == 0)
        return true;
    if (n == ERR_CLOSED)
        visit_conclude(run, VISIT_CLOSED);
    else
        tls_failed(run);
    return false;
}

bool talk_take(struct visit_run *run, struct span bytes)
{
    if (!run->talk->tls)
        return take_plain(run, bytes);
    struct tls_io io = lend(run, bytes);
    if (!run->talk->secured && !shake_hands(run, &io))
        return false;
    if (!run->talk->secured)
        return true;
    io.out_len = run->out_len;
    return read_secured(run, &io);
}

/* ---- the beginning ---- */

void talk_begin(struct visit_run *run)
{
    struct tls_client_options options = {.server_name = run->request.server_name,
                                         .alpn = run->request.alpn,
                                         .resume = run->request.resume};

    run->talk = mem_new(struct visit_talk);
    run->out = mem_alloc(TLS_OUT_MIN * 2);
    if (!run->request.tls) {
        run->visit->stage = VISIT_HTTP;
        (void)!ask(run);
        return;
    }
    run->visit->stage = VISIT_TLS;
    if (tls_client_create(run->request.tls, &options, &run->talk->tls) < 0) {
        visit_conclude(run, VISIT_BROKEN);
        return;
    }
    struct tls_io io = lend(run, (struct span){0});
    (void)!shake_hands(run, &io);
}
