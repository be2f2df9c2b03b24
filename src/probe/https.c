/* What a probe says: the handshake of TLS, and one GET. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/http.h"
#include "probe/run.h"
#include "tls/tls.h"

struct probe_protocol {
    struct tls_client *tls; /* NULL: plain HTTP */
    struct http_fetch *fetch;
    bool secured;
};

/* ---- ends ---- */

static void describe(struct probe_run *run)
{
    struct probe *probe = run->probe;

    if (!run->protocol->tls || probe->tls)
        return;
    probe->tls = mem_new(struct tls_client_facts);
    tls_client_describe(run->protocol->tls, probe->tls);
}

void protocol_conclude(struct probe_run *run)
{
    if (!run->protocol)
        return;
    describe(run);
    if (run->protocol->tls && run->protocol->secured)
        run->probe->ticket = tls_client_take_ticket(run->protocol->tls);
}

void protocol_finish(struct probe_run *run)
{
    struct probe *probe = run->probe;

    if (run->protocol) {
        tls_client_destroy(run->protocol->tls);
        http_fetch_destroy(run->protocol->fetch);
        free(run->protocol);
    }
    if (probe->tls)
        tls_client_facts_finish(probe->tls);
    free(probe->tls);
    tls_ticket_destroy(probe->ticket);
}

int protocol_timeout(const struct probe_run *run)
{
    return PROBE_TIMEOUT;
}

bool protocol_is_in_handshake(const struct probe_run *run)
{
    return run->protocol && run->protocol->tls && !run->protocol->secured;
}

static void tls_failed(struct probe_run *run)
{
    struct probe *probe = run->probe;
    struct tls_client_facts facts;

    probe->detail = mem_string(span_str(tls_last_error()));
    describe(run);
    tls_client_describe(run->protocol->tls, &facts);
    probe->tls->alert = facts.alert; /* it may come after what was described */
    tls_client_facts_finish(&facts);
    if (probe->tls->alert >= 0) {
        probe_conclude(run, PROBE_ALERT);
    } else if (run->first_len && !probe_began_tls(run)) {
        probe_conclude_other(run);
    } else {
        probe_conclude(run, PROBE_BROKEN);
    }
}

/* ---- asking ---- */

static struct tls_io lend(struct probe_run *run, struct span in)
{
    return (struct tls_io){
        .in = in, .out = run->out, .out_len = run->out_len, .out_cap = TLS_OUT_MIN * 2};
}

/* Moves what the fetch wants to send to the peer. @return false when the probe ended */
static bool send_request(struct probe_run *run)
{
    char plain[HTTP_FETCH_OUT];
    ssize_t len = http_fetch_output(run->protocol->fetch, plain, sizeof plain);

    if (len < 0 || run->out_len + tls_sealed_size((size_t)len) > TLS_OUT_MIN) {
        probe_conclude(run, PROBE_FLOOD);
        return false;
    }
    if (len > 0 && run->protocol->tls) {
        struct tls_io io = lend(run, (struct span){0});
        if (tls_client_write(run->protocol->tls, &io, span_of(plain, (size_t)len)) < 0) {
            tls_failed(run);
            return false;
        }
        run->out_len = io.out_len;
    } else if (len > 0) {
        memcpy(run->out + run->out_len, plain, (size_t)len);
        run->out_len += (size_t)len;
    }
    return probe_flush(run);
}

/* @return false when the probe ended */
static bool ask(struct probe_run *run)
{
    bool h2 = run->protocol->tls && strcmp(run->probe->tls->alpn, "h2") == 0;
    struct http_fetch_request request = {.version = h2 ? HTTP_2 : HTTP_1_1,
                                         .scheme = run->protocol->tls ? "https" : "http",
                                         .authority = run->request.authority,
                                         .path = run->request.path,
                                         .cookie = run->request.cookie,
                                         .user_agent = "gardien-check/" GARDIEN_VERSION};

    if (http_fetch_create(&request, &run->protocol->fetch) < 0) {
        probe_conclude(run, PROBE_BROKEN);
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
        span_of(value.ptr, value.len < PROBE_VALUE_MAX ? value.len : PROBE_VALUE_MAX));
}

/* @return false when the probe ended */
static bool take_plain(struct probe_run *run, struct span bytes)
{
    struct probe *probe = run->probe;
    int r = http_fetch_input(run->protocol->fetch, bytes);

    if (probe->first_byte_took < 0)
        probe->first_byte_took = nsec_monotonic() - run->begun;
    if (r == 0)
        return send_request(run);
    if (r < 0) {
        probe_conclude(run, r == ERR_LIMIT    ? PROBE_FLOOD
                            : r == ERR_CLOSED ? PROBE_CLOSED
                                              : PROBE_GARBAGE);
        return false;
    }
    probe->status = http_fetch_status(run->protocol->fetch);
    probe->version = http_fetch_version(run->protocol->fetch);
    probe->location = keep_field(run->protocol->fetch, SPAN("location"));
    probe->hsts = keep_field(run->protocol->fetch, SPAN("strict-transport-security"));
    probe->alt_svc = keep_field(run->protocol->fetch, SPAN("alt-svc"));
    probe->server = keep_field(run->protocol->fetch, SPAN("server"));
    probe->cookies = http_fetch_cookies(run->protocol->fetch);
    probe->oddities = http_fetch_oddities(run->protocol->fetch);
    probe->lengths_differ = http_fetch_lengths_differ(run->protocol->fetch);
    probe_conclude(run, PROBE_DONE);
    return false;
}

/* @return false when the probe ended */
static bool shake_hands(struct probe_run *run, struct tls_io *io)
{
    int r = tls_client_handshake(run->protocol->tls, io);

    run->out_len = io->out_len;
    bool asks = r > 0 && run->request.last == PROBE_HTTP; /* then both leave in one segment */
    if (!asks && !probe_flush(run))
        return false;
    if (r < 0) {
        tls_failed(run);
        return false;
    }
    if (r == 0 && run->probe->received > PROBE_HANDSHAKE_MAX) {
        probe_conclude(run, PROBE_FLOOD);
        return false;
    }
    if (r == 0)
        return true;
    run->protocol->secured = true;
    run->probe->tls_took = nsec_monotonic() - run->begun;
    describe(run);
    if (run->request.last == PROBE_TLS) {
        probe_conclude(run, PROBE_DONE);
        return false;
    }
    run->probe->stage = PROBE_HTTP;
    return ask(run);
}

/* @return false when the probe ended */
static bool read_secured(struct probe_run *run, struct tls_io *io)
{
    char plain[TLS_READ_MIN];
    ssize_t n;

    while ((n = tls_client_read(run->protocol->tls, io, plain, sizeof plain)) > 0)
        if (!take_plain(run, span_of(plain, (size_t)n)))
            return false;
    if (n == 0)
        return true;
    if (n == ERR_CLOSED)
        probe_conclude(run, PROBE_CLOSED);
    else
        tls_failed(run);
    return false;
}

bool protocol_receive(struct probe_run *run, struct span bytes)
{
    if (!run->protocol->tls)
        return take_plain(run, bytes);
    struct tls_io io = lend(run, bytes);
    if (!run->protocol->secured && !shake_hands(run, &io))
        return false;
    if (!run->protocol->secured)
        return true;
    io.out_len = run->out_len;
    return read_secured(run, &io);
}

/* ---- the beginning ---- */

void protocol_begin(struct probe_run *run)
{
    struct tls_client_options options = {.server_name = run->request.server_name,
                                         .alpn = run->request.alpn,
                                         .resume = run->request.resume};

    run->protocol = mem_new(struct probe_protocol);
    run->out = mem_alloc(TLS_OUT_MIN * 2);
    if (!run->request.tls) {
        run->probe->stage = PROBE_HTTP;
        (void)!ask(run);
        return;
    }
    run->probe->stage = PROBE_TLS;
    if (tls_client_create(run->request.tls, &options, &run->protocol->tls) < 0) {
        probe_conclude(run, PROBE_BROKEN);
        return;
    }
    struct tls_io io = lend(run, (struct span){0});
    (void)!shake_hands(run, &io);
}
