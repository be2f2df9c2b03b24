/* TLS to upstream servers. A connection counts as asked for until its handshake is over, so that
 * nobody gets it before its server has proved who it is. */
#include "serve/proxy/upstream_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "serve/proxy/upstream.h"
#include "tls/tls.h"

enum { REASON_MAX = 320 };

/* ---- what is trusted ---- */

struct upstream_tls *upstream_tls_get(struct proxy *proxy, bool verify, struct span roots)
{
    uint64_t id = verify ? hash_bytes(roots, (const uint64_t[2]){3, 4}) : 0;

    list_for_each (known, next, &proxy->trusts, struct upstream_tls, link)
        if (known->verify == verify && known->id == id) {
            known->references++;
            return known;
        }
    struct upstream_tls *tls = mem_new(struct upstream_tls);
    tls->references = 1;
    tls->verify = verify;
    tls->id = id;
    if (tls_client_library_create_strict(verify ? roots : (struct span){0}, &tls->library) < 0)
        tls->library = NULL;
    list_append(&proxy->trusts, &tls->link);
    if (!proxy->sealed) {
        proxy->sealed = mem_alloc(TLS_OUT_MIN);
        proxy->opened = mem_alloc(TLS_READ_MIN);
    }
    return tls;
}

void upstream_tls_unref(struct upstream_tls *tls)
{
    if (!tls || --tls->references > 0)
        return;
    list_remove(&tls->link);
    tls_client_library_destroy(tls->library);
    free(tls);
}

/* ---- the handshake ---- */

static struct tls_io io_of(const struct upstream_connection *c, struct span in)
{
    return (struct tls_io){.in = in, .out = c->upstream->proxy->sealed, .out_cap = TLS_OUT_MIN};
}

/** IP addresses are verified, and not asked for (RFC 6066 section 3). */
static bool is_ip(const char *name)
{
    bool digits = true;

    for (const char *at = name; *at; at++)
        digits &= (*at >= '0' && *at <= '9') || *at == '.';
    return digits || strchr(name, ':');
}

static void over(struct upstream_connection *c, int error, const char *reason)
{
    struct upstream *upstream = upstream_ref(c->upstream);

    upstream_connection_destroy(c);
    upstream_handshake_over(upstream, NULL, error, reason);
    upstream_unref(upstream);
}

static void on_deadline(struct loop_timer *timer, nsec_t now)
{
    over(container_of(timer, struct upstream_connection, deadline), -ETIMEDOUT,
         "the TLS handshake with the upstream server took too long");
}

int connection_tls_begin(struct upstream_connection *c)
{
    struct upstream *upstream = c->upstream;
    struct tls_client_options options = {
        .server_name = is_ip(upstream->tls_name) ? NULL : upstream->tls_name,
        .verify_name = upstream->tls_name,
        .alpn = TLS_CLIENT_HTTP_1,
        .resume = upstream->ticket,
    };
    struct loop *loop = upstream->proxy->options.loop;

    if (!upstream->tls->library || tls_client_create(upstream->tls->library, &options, &c->tls) < 0)
        return ERR_TLS;
    c->shared = upstream->tls;
    c->shared->references++;
    c->deadline.on_timeout = on_deadline;
    loop_timer_set(loop, &c->deadline, loop_now(loop) + upstream->handshake_time);
    upstream_connection_due(c);
    return 0;
}

void connection_tls_finish(struct upstream_connection *c)
{
    if (!c->tls)
        return;
    loop_timer_cancel(c->upstream->proxy->options.loop, &c->deadline);
    tls_client_destroy(c->tls);
    upstream_tls_unref(c->shared);
}

static void keep_ticket(struct upstream_connection *c)
{
    struct tls_ticket *ticket = tls_client_take_ticket(c->tls);

    if (!ticket)
        return;
    if (c->shared != c->upstream->tls) { /* a reload changed what is trusted */
        tls_ticket_destroy(ticket);
        return;
    }
    tls_ticket_destroy(c->upstream->ticket);
    c->upstream->ticket = ticket;
}

/** What to do about a certificate that was refused. */
static const char *hint_of(const char *refusal)
{
    if (strstr(refusal, "mismatch"))
        return "write the name that it is for as tls.name of the group under upstreams";
    if (strstr(refusal, "expired") || strstr(refusal, "not yet"))
        return "renew it, or set the clock";
    return "name the authority, or the certificate itself, as tls.ca_file of the group under "
           "upstreams";
}

static void explain(const struct upstream_connection *c, char reason[REASON_MAX])
{
    const char *refusal = tls_client_refusal(c->tls);
    int alert = tls_client_alert(c->tls);

    if (refusal)
        snprintf(reason, REASON_MAX,
                 "the upstream server's certificate for %.80s is refused: %s; %s",
                 c->upstream->tls_name, refusal, hint_of(refusal));
    else if (alert >= 0)
        snprintf(reason, REASON_MAX, "the upstream server ended the TLS handshake: %s%s",
                 tls_alert_text(alert),
                 tls_client_was_asked(c->tls) ? "; it asks for a certificate of ours" : "");
    else
        snprintf(reason, REASON_MAX, "the TLS handshake with the upstream server failed: %.200s",
                 tls_last_error());
}

static void succeed(struct upstream_connection *c, struct span rest)
{
    struct upstream *upstream = c->upstream;

    loop_timer_cancel(upstream->proxy->options.loop, &c->deadline);
    upstream_connection_speak(c);
    keep_ticket(c); /* TLS 1.2 */
    if (rest.len && connection_tls_receive(c, rest) < 0) {
        over(c, ERR_CLOSED, "the upstream server spoke before it was asked");
        return;
    }
    upstream_handshake_over(upstream, c, 0, NULL);
}

void connection_tls_handshake(struct upstream_connection *c)
{
    char *in = c->upstream->proxy->scratch, reason[REASON_MAX];

    ssize_t len = upstream_connection_recv(c, in, UPSTREAM_SCRATCH - TLS_READ_MIN);
    if (len < 0) {
        over(c, (int)len, "the upstream server closed the connection in the TLS handshake");
        return;
    }
    struct tls_io io = io_of(c, span_of(in, (size_t)len));
    int r = tls_client_handshake(c->tls, &io);
    upstream_connection_send(c, io.out, io.out_len); /* an alert, too */
    if (r < 0) {
        explain(c, reason);
        over(c, ERR_TLS, reason);
    } else if (r > 0) {
        succeed(c, io.in);
    }
}

/* ---- records ---- */

int connection_tls_receive(struct upstream_connection *c, struct span records)
{
    struct tls_io io = io_of(c, records);
    char *plain = c->upstream->proxy->opened;
    ssize_t len;
    int r = 0;

    do {
        len = tls_client_read(c->tls, &io, plain, TLS_READ_MIN);
        if (len > 0)
            r = http_client_receive(c->client, span_of(plain, (size_t)len));
    } while (len > 0 && r >= 0);
    if (r < 0)
        return r;
    keep_ticket(c);
    if (len < 0) {
        http_client_eof(c->client, len == ERR_CLOSED);
        return (int)len;
    }
    if (io.out_len) /* the answer to a key update */
        upstream_connection_send(c, io.out, io.out_len);
    return 0;
}

ssize_t connection_tls_send(struct upstream_connection *c, struct span plain)
{
    struct tls_io io = io_of(c, (struct span){0});

    int r = tls_client_write(c->tls, &io, plain);
    if (r < 0) {
        http_client_eof(c->client, false);
        return r;
    }
    return (ssize_t)upstream_connection_send(c, io.out, io.out_len);
}
