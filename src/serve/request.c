/* The way of a request: its site by name, its route by path, the verdict of protection, and the
 * handler that answers it. It knows neither sockets nor versions of HTTP.
 *
 * on_request → find_site → protect_request → route_request → handler->start
 * on_verdict → the same, for a verdict that came later
 * on_close   → handler->on_close → protect_closed → the access log */
#include "serve/request.h"

#include <endian.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/challenge.h"
#include "serve/forwarded.h"
#include "serve/hold.h"
#include "serve/proxy/path.h"
#include "serve/redirect.h"
#include "serve/request_body.h"
#include "serve/route.h"
#include "serve/server_state.h"

/* ---- what a request is ---- */

/* Eight digits of a number, the most significant first, all at once: each nibble becomes a byte. */
static void write_hex(uint32_t number, char out[8])
{
    uint64_t x = (uint64_t)(number & 0xffff0000) << 16 | (number & 0xffff);

    x = (x & 0x0000ff000000ff00) << 8 | (x & 0x000000ff000000ff);
    x = (x & 0x00f000f000f000f0) << 4 | (x & 0x000f000f000f000f);
    uint64_t letters = (x + 0x0606060606060606) >> 4 & 0x0101010101010101;
    x = htobe64(x + 0x3030303030303030 + letters * ('a' - '0' - 10));
    memcpy(out, &x, sizeof x);
}

static void write_word(uint64_t word, char out[16])
{
    write_hex((uint32_t)(word >> 32), out);
    write_hex((uint32_t)word, out + 8);
}

/* The worker's random half, then the number of the exchange. */
static void write_id(struct request *r)
{
    write_word(r->server->options.secret[0], r->id);
    write_word(r->x->id, r->id + 16);
    r->id[REQUEST_ID_SIZE] = '\0';
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

/* Browsers must not be told to come by HTTPS only where other programs serve too, or where names
 * mean nothing (RFC 6797 section 8.1.1). */
static bool takes_hsts(struct span host)
{
    return !redirect_is_ip_literal(host) && !span_equal(host, SPAN("localhost")) &&
           !span_ends(host, SPAN(".localhost"));
}

static void use_headers(struct request *r, const struct header_rules *headers)
{
    r->rules = headers->items;
    r->rule_count =
        r->client->secure && takes_hsts(r->x->request.host) ? headers->count : headers->plain_count;
}

static void on_verdict(struct protect_question *question, const struct verdict *verdict);

/* @return NULL when the exchange's memory does not suffice */
static struct request *make_request(struct request_source *source, struct http_exchange *x)
{
    struct server *server = source->server;
    struct request *r = arena_alloc(&x->arena, sizeof *r);

    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    r->x = x;
    r->source = source;
    r->server = server;
    r->client = &source->client;
    r->sites = sites_ref(server->sites);
    r->routed = loop_now(server->loop);
    list_init(&r->feed);
    write_id(r);
    r->site = find_site(server, x->request.host, &r->exact_name);
    if (!r->site && !r->sites->strict)
        r->site = r->sites->fallback;
    if (r->site)
        use_headers(r, &r->site->headers);
    r->question = (struct protect_question){
        .exchange = x,
        .client = r->client,
        .request_id = span_of(r->id, REQUEST_ID_SIZE),
        .now = r->routed,
        .hold_limit = HOLD_LIMIT,
        .hold_max = HOLD_LIMIT,
        .waf_rules = r->sites->waf_rules,
        .waf_mode = r->site ? r->site->waf_mode : WAF_MODE_OFF,
        .on_verdict = on_verdict,
    };
    forwarded_find(r);
    x->user = r;
    return r;
}

/* ---- who answers it ---- */

/* Takes over what the route says of the request. */
static void use_route(struct request *r)
{
    r->question.rules = &r->route->protect;
    if (r->route->body_max)
        r->x->body_max = r->route->body_max;
}

static bool asks_for_file(const struct http_request *request)
{
    return (request->method == HTTP_GET || request->method == HTTP_HEAD) && !request->has_body &&
           !request->upgrade.len;
}

/* The server behind may take "%2F" for a slash, and ";x" for nothing. Protection judges the path as
 * it is then, and a route is only taken if it would be the same: its limits are not to be passed
 * by.
 * @return false: the path is malformed */
static bool reads_alike(struct request *r)
{
    const struct site *site = r->site;
    struct span path = path_as_others_read(&r->x->arena, r->path);
    const struct route *other =
        path.ptr ? routes_find(site->routes, site->route_count, path) : NULL;

    if (other && other->otherwise && r->route == other->otherwise)
        other = other->otherwise;
    r->question.path = path;
    if (other == r->route)
        return true;
    r->path.ptr = r->rest.ptr = r->question.path.ptr = NULL;
    return false;
}

/* Finds the route. "*" (of OPTIONS) means the server as a whole: the route of "/". */
static void find_route(struct request *r)
{
    struct span raw = r->x->request.path, path = {NULL, 0};
    bool keeps = false;

    if (span_equal(raw, SPAN("*")))
        path = SPAN("/");
    else if (unlikely(http_path_resolve(&r->x->arena, raw, &path) < 0))
        keeps = http_path_resolve_keeping(&r->x->arena, raw, &path) >= 0;
    r->path = r->rest = r->question.path = path;
    r->question.rules = r->site ? &r->site->protect : NULL;
    r->x->body_max = r->sites->body_max;
    if (!path.ptr || !r->site)
        return;
    r->route = routes_find(r->site->routes, r->site->route_count, path);
    if (r->route && r->route->headers.count)
        use_headers(r, &r->route->headers);
    if (r->route && r->route->otherwise && (keeps || !asks_for_file(&r->x->request)))
        r->route = r->route->otherwise;
    if (keeps && !(r->route && r->route->handler->takes_encoded_slashes)) {
        r->path.ptr = r->rest.ptr = r->question.path.ptr = NULL;
        r->route = NULL;
    }
    bool forwards = r->route && (r->route->handler->takes_encoded_slashes || r->route->otherwise);
    if (forwards && !reads_alike(r))
        r->route = NULL;
    if (r->route) {
        r->rest = route_rest(r->route, path);
        use_route(r);
    }
}

struct request *request_begin(struct request_source *source, struct http_exchange *x)
{
    struct request *r = make_request(source, x);

    if (r)
        find_route(r);
    return r;
}

/* @return the handler, or NULL with an error's status */
static const struct handler *choose_handler(struct request *r, int *ret_status)
{
    if (!r->client->secure && !(r->route && r->route->plain)) {
        if (redirect_leads_to_https(r))
            return &redirect_to_https_handler;
        *ret_status = 404;
        return NULL;
    }
    if (!r->site) {
        *ret_status = 421;
        return NULL;
    }
    if (r->client->secure && redirect_leads_to_main(r))
        return &redirect_to_main_handler;
    if (!r->path.ptr) {
        r->reason = "the path is malformed";
        *ret_status = 400;
        return NULL;
    }
    *ret_status = 404;
    return r->route ? r->route->handler : NULL;
}

static void start(struct request *r)
{
    int status = 0;
    const struct handler *handler = choose_handler(r, &status);

    if (!handler) {
        r->refused = true;
        request_fail(r, status, NULL);
        return;
    }
    r->handler = handler;
    if (r->x->request.has_body && (handler->on_body || r->question.inspecting)) {
        http_stream_body(r->x);
        http_inform(r->x, 100, NULL);
    }
    handler->start(r);
}

bool request_pass_on(struct request *r)
{
    const struct route *other = r->route->otherwise;

    if (!other || !r->path.ptr)
        return false;
    r->route = other;
    r->handler = other->handler;
    r->coding_settled = false;
    use_route(r);
    other->handler->start(r);
    return true;
}

static void end_handler(struct request *r, enum http_end end)
{
    const struct handler *handler = take(r->handler);

    if (handler && handler->on_close)
        handler->on_close(r, end);
}

void request_judge(struct request *r, const struct verdict *verdict)
{
    struct http_response response;
    struct http_body *body = NULL;
    int failed = -1;

    r->refused = true;
    r->verdict = *verdict;
    r->reason = verdict->reason;
    request_body_drop(r);
    if (verdict->status == 0 || r->x->responded) { /* on_close ends the handler, after its body */
        request_reset(r, verdict->reason);
        return;
    }
    end_handler(r, HTTP_END_SERVER);
    failed = request_response(r, verdict->status, verdict->fields.count, &response);
    for (unsigned i = 0; failed >= 0 && i < verdict->fields.count; i++)
        failed = http_add(&r->x->arena, &response.fields, verdict->fields.items[i].name,
                          verdict->fields.items[i].value);
    if (failed >= 0 && verdict->kind == VERDICT_ANSWER && verdict->body.len) {
        body = request_text_body(r, verdict->body);
        response.content_length = (int64_t)verdict->body.len;
    }
    if (failed < 0 || (verdict->body.len && !body))
        request_fail(r, 500, "the memory of the exchange is full");
    else
        request_respond(r, &response, body);
}

static void ask_protection(struct request *r)
{
    r->question.now = loop_now(r->server->loop);
    struct verdict verdict = protect_request(r->server->protect, &r->question);
    if (likely(verdict.kind == VERDICT_PASS))
        start(r);
    else if (verdict.kind == VERDICT_WAIT)
        http_stream_body(r->x); /* held, until it is known who gets it */
    else
        request_judge(r, &verdict);
}

/* The policy that was waited for has let the header pass: the others are asked. The body may have
 * come meanwhile. */
static void go_on(struct request *r)
{
    bool gone = false;

    r->gone = &gone;
    ask_protection(r);
    if (gone)
        return;
    r->gone = NULL;
    if (r->handler && !r->refused)
        request_body_begin(r);
}

/* What was waited for is decided: of the header, or of the body. */
static void on_verdict(struct protect_question *question, const struct verdict *verdict)
{
    struct request *r = container_of(question, struct request, question);

    if (r->refused)
        return;
    if (verdict->kind == VERDICT_ANSWER || verdict->kind == VERDICT_REFUSE)
        request_judge(r, verdict);
    else if (!r->handler)
        go_on(r);
    else
        request_body_release(r);
}

void request_on_request(void *owner, struct http_exchange *x)
{
    struct request_source *source = owner;
    const struct http_request *request = &x->request;

    source->server->counts.requests++;
    source->requests++;
    source->unread = request->refusal != 0 || request->has_body;
    struct request *r = request_begin(source, x);
    if (!r) {
        http_respond(x, &(struct http_response){.status = 503, .close = true}, NULL);
        return;
    }
    if (unlikely(request->refusal)) {
        r->refused = true;
        request_fail(r, request->refusal, request->refusal_reason);
        return;
    }
    if (unlikely(source->server->challenges.count) && challenge_is_asked(r)) {
        r->handler = &challenge_handler; /* before limits: a certificate depends on it */
        challenge_handler.start(r);
        return;
    }
    if (unlikely(request->content_length > 0 && (uint64_t)request->content_length > x->body_max)) {
        r->refused = true;
        request_fail(r, 413, "body too large");
        return;
    }
    ask_protection(r);
}

/* The body broke its framing or a limit: the engine says with which status. */
void request_on_refusal(void *owner, struct http_exchange *x)
{
    const struct http_request *request = &x->request;
    struct verdict verdict = verdict_refuse(request->refusal, request->refusal_reason);
    struct request *r = request_of(x);
    struct request_source *source = owner;

    source->unread = true;
    if (r)
        request_judge(r, &verdict);
}

/* ---- its end ---- */

static void log_answer(const struct request_source *source, const struct request *r,
                       const struct http_exchange *x, enum http_end end)
{
    struct server *server = source->server;
    struct access_entry entry = {
        .exchange = x,
        .client = &source->client,
        .redact = r ? r->sites->redact : server->sites->redact,
        .end = end,
        .now = loop_now(server->loop),
        .wall = server_wall(server),
    };

    if (r) {
        entry.reason = r->reason ? r->reason : end == HTTP_END_TIMEOUT ? "too slow" : NULL;
        entry.request_id = span_of(r->id, REQUEST_ID_SIZE);
    }
    access_log_add(server->access_log, &entry);
}

void request_on_close(void *owner, struct http_exchange *x, enum http_end end)
{
    struct request_source *source = owner;
    struct request *r = request_of(x);

    if (r) {
        if (r->gone)
            *r->gone = true;
        end_handler(r, end);
        request_body_drop(r);
        r->question.now = loop_now(source->server->loop);
        protect_closed(source->server->protect, &r->question, end);
    }
    if (source->server->access_log)
        log_answer(source, r, x, end);
    if (r)
        sites_unref(r->sites);
}

void request_on_tunnel(void *owner, struct http_exchange *x, struct span bytes)
{
    struct request *r = request_of(x);

    (void)owner;
    if (r && r->handler && r->handler->on_tunnel)
        r->handler->on_tunnel(r, bytes);
    else
        http_consume(x, bytes.len);
}

void request_on_wake(void *owner)
{
    struct request_source *source = owner;

    source->wake(source);
}

/* ---- what handlers ask ---- */

nsec_t request_now(const struct request *r)
{
    return loop_now(r->server->loop);
}

nsec_t request_wall(const struct request *r)
{
    return server_wall(r->server);
}

struct loop *request_loop(const struct request *r)
{
    return r->server->loop;
}

const struct log *request_log(const struct request *r)
{
    return r->server->options.log;
}
