/* What a request gets: its site by name, a redirect, or a file; and the line in the access log. It
 * knows neither sockets nor versions of HTTP. */
#include <stdio.h>

#include "serve/access_log.h"
#include "serve/internal.h"

enum { REQUEST_ID_SIZE = 32 };

/* What an exchange keeps while it lives, in its arena. */
struct answer {
    struct sites *sites;
    const char *reason;
    char request_id[REQUEST_ID_SIZE + 1];
};

static void write_hex(uint64_t word, char out[16])
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 15; i >= 0; i--, word >>= 4)
        out[i] = hex[word & 15];
}

/* The worker's random half, then the number of the exchange. */
static struct span make_request_id(struct answer *answer, const struct connection *c,
                                   const struct http_exchange *x)
{
    write_hex(c->server->options.secret[0], answer->request_id);
    write_hex(x->id, answer->request_id + 16);
    answer->request_id[REQUEST_ID_SIZE] = '\0';
    return span_of(answer->request_id, REQUEST_ID_SIZE);
}

/* The site of a host. Most requests ask for the host of the one before. */
static const struct site *find_site(struct server *server, struct span host, bool *ret_exact)
{
    struct site_memo *memo = &server->memo;

    if (memo->sites != server->sites || !span_equal(span_of(memo->host, memo->len), host)) {
        memo->site = sites_find(server->sites, host, &memo->exact);
        memo->sites = host.len <= sizeof memo->host ? server->sites : NULL;
        memo->len = host.len <= sizeof memo->host ? host.len : 0;
        if (memo->len)
            memcpy(memo->host, host.ptr, memo->len);
    }
    *ret_exact = memo->exact;
    return memo->site;
}

static bool is_ip_literal(struct span host)
{
    if (host.len == 0 || host.ptr[0] == '[')
        return true;
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9'))
            return false;
    return true;
}

/* Browsers must not be told to come by HTTPS only where other programs serve too, or where names
 * mean nothing (RFC 6797 section 8.1.1). */
static bool takes_hsts(struct span host)
{
    return !is_ip_literal(host) && !span_equal(host, SPAN("localhost")) &&
           !span_ends(host, SPAN(".localhost"));
}

/* The port in the client's address line, which another machine may map to ours. */
static uint16_t port_of(struct span authority, uint16_t without)
{
    ptrdiff_t colon = span_find_last(authority, ':');
    uint64_t port;

    if (colon < 0 || span_to_uint(span_from(authority, (size_t)colon + 1), &port) < 0)
        return without;
    return (uint16_t)port; /* a valid authority's is at most 65535 */
}

/* 308 keeps the method and the body (RFC 9110 section 15.4.9). */
static void redirect(struct http_exchange *x, struct span host, uint16_t port,
                     const struct files_context *context)
{
    const struct http_request *request = &x->request;
    struct http_response response = {.status = 308};
    struct span path = request->path.len && request->path.ptr[0] == '/' ? request->path : SPAN("/");
    bool bare_ipv6 = host.ptr[0] != '[' && span_find(host, ':') >= 0;
    char port_text[8] = "";

    if (port != 443)
        snprintf(port_text, sizeof port_text, ":%u", port);
    struct span location =
        arena_printf(&x->arena, "https://%s%.*s%s%s%.*s%s%.*s", bare_ipv6 ? "[" : "",
                     SPAN_ARGS(host), bare_ipv6 ? "]" : "", port_text, SPAN_ARGS(path),
                     request->query.ptr ? "?" : "", SPAN_ARGS(request->query));
    int r = location.ptr ? http_add(&x->arena, &response.fields, SPAN("location"), location)
                         : ERR_LIMIT;
    for (size_t i = 0; r >= 0 && i < context->field_count; i++) {
        const struct files_field *field = &context->fields[i];
        if (field->op == FILES_FIELD_SET)
            r = http_set(&x->arena, &response.fields, field->name, field->value);
        else if (field->op == FILES_FIELD_ADD)
            r = http_add(&x->arena, &response.fields, field->name, field->value);
    }
    if (r < 0)
        response = (struct http_response){.status = 500, .close = true};
    http_respond(x, &response, NULL);
}

/* The challenge path is not redirected: certificate authorities ask there over plain HTTP. */
static bool is_challenge(struct span path)
{
    return span_starts(path, SPAN("/.well-known/acme-challenge/"));
}

static void answer_plain(struct connection *c, struct http_exchange *x, const struct site *site,
                         struct files_context *context)
{
    const struct http_request *request = &x->request;
    uint16_t port =
        c->misdirected ? port_of(request->authority, c->local_port) : c->server->sites->https_port;
    struct span host = site ? span_str(site->main_name) : (struct span){0};
    bool exact = false;

    if (sites_find(c->server->sites, request->host, &exact))
        host = request->host;
    bool nowhere = host.len == 0 || host.ptr[0] == '*' || port == 0;
    if (request->refusal || is_challenge(request->path) || nowhere) {
        int status = request->refusal ? request->refusal : 404;
        files_error(site ? site->files : NULL, x, status, context, loop_now(c->server->loop));
        return;
    }
    redirect(x, host, port, context);
}

static void answer_secure(struct connection *c, struct http_exchange *x, const struct site *site,
                          bool exact, struct files_context *context)
{
    const struct http_request *request = &x->request;
    nsec_t now = loop_now(c->server->loop);

    if (request->refusal || !site || !site->files) {
        int status = request->refusal ? request->refusal : site ? 404 : 421;
        files_error(site ? site->files : NULL, x, status, context, now);
        return;
    }
    struct span main_name = span_str(site->main_name);
    if (exact && site->redirect_to_main && !span_equal(request->host, main_name) &&
        !is_ip_literal(request->host)) {
        redirect(x, main_name, port_of(request->authority, 443), context);
        return;
    }
    files_answer(site->files, x, context, now);
}

static void on_request(void *owner, struct http_exchange *x)
{
    struct connection *c = owner;
    struct server *server = c->server;
    struct sites *sites = server->sites;
    bool exact = false;

    server->counts.requests++;
    c->requests++;
    c->unread = x->request.refusal != 0 || x->request.has_body;
    if (server->draining)
        http_shutdown(c->engine);
    struct answer *answer = arena_alloc(&x->arena, sizeof *answer);
    if (!answer) {
        http_respond(x, &(struct http_response){.status = 503, .close = true}, NULL);
        return;
    }
    *answer = (struct answer){.sites = sites_ref(sites)};
    x->user = answer;
    const struct site *site = find_site(server, x->request.host, &exact);
    if (!site && !sites->strict)
        site = sites->fallback;
    struct files_context context = {
        .fields = site ? site->fields : NULL,
        .field_count = !site                                      ? 0
                       : c->secure && takes_hsts(x->request.host) ? site->field_count
                                                                  : site->plain_field_count,
        .request_id = make_request_id(answer, c, x),
        .wall = server_wall(server),
    };
    if (c->secure)
        answer_secure(c, x, site, exact, &context);
    else
        answer_plain(c, x, site, &context);
    answer->reason = x->request.refusal ? x->request.refusal_reason : context.reason;
}

static void on_close(void *owner, struct http_exchange *x, enum http_end end)
{
    struct connection *c = owner;
    struct server *server = c->server;
    struct answer *answer = x->user;

    if (server->access_log) {
        struct access_entry entry = {
            .exchange = x,
            .peer = c->peer,
            .peer_port = c->peer_port,
            .local_port = c->local_port,
            .end = end,
            .now = loop_now(server->loop),
            .wall = server_wall(server),
        };
        if (c->tls) {
            entry.tls_version = tls_session_version(c->tls);
            entry.tls_cipher = tls_session_cipher(c->tls);
            entry.tls_resumed = tls_session_resumed(c->tls);
        }
        if (answer) {
            entry.reason = !answer->reason && end == HTTP_END_TIMEOUT ? "too slow" : answer->reason;
            entry.request_id = span_str(answer->request_id);
        }
        access_log_add(server->access_log, &entry);
    }
    if (answer)
        sites_unref(answer->sites);
}

const struct http_events answer_events = {
    .on_request = on_request,
    .on_close = on_close,
};
