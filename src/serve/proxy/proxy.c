/* The handler that forwards a request to an upstream server and its answer to the client, both as
 * they come.
 *
 *   start → attempt → upstream_connect … on_connection → (upload ⇄ on_progress) → on_answer →
 *   on_body … → on_end → on_close
 *   on_no_connection, on_end with an error, on_timeout → fail → attempt again, or an error page
 *
 * A request holds at most the client's window of its upload, and the buffer of its route (and what
 * one recv() brings) of the answer. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "serve/proxy/path.h"
#include "serve/proxy/prefix.h"
#include "serve/proxy/queue.h"
#include "serve/proxy/rewrite.h"
#include "serve/proxy/upstream.h"
#include "serve/proxy_trust.h"
#include "serve/request.h"
#include "serve/route.h"

enum { TRIES_MAX = 8, UPLOAD_MAX = 2 << 20, LOG_EVERY = 1, RETRY_AFTER_MAX = 60 };

/** The config of a route. */
struct proxy_route {
    struct upstream_group *group;
    const struct proxy_trust *trust;
    size_t window;
    struct prefix prefix;
    bool replaces; /* its path, by the prefix */
};

/** One request; in its arena. */
struct proxied {
    struct http_call call;
    struct upstream_user user;
    struct request *r;
    const struct proxy_route *route;
    struct upstream *upstream; /* of this attempt; NULL between attempts and after the last */
    struct http_fields fields; /* of the request, the same for every attempt */
    struct http_body upload;
    struct queue sending; /* of the request's body: came and not sent */
    bool sending_ends;    /* the request's body is complete */
    bool touched;         /* some of it was given to an attempt */
    struct http_body download;
    struct queue answer; /* of the answer's body: came and not read */
    bool answer_ends;
    int answer_error;
    struct http_fields trailers;
    struct proxy_clock clock;
    struct loop_timer timer;
    const struct balance_server *tried[TRIES_MAX];
    size_t tried_count;
    unsigned attempt;
    int status; /* of the last attempt that failed: 502, or 504; 0: none did */
    const char *reason;
    int error;
    bool reused; /* this attempt's connection had another request before */
    bool fresh;  /* the next attempt takes no kept connection */
};

static struct proxied *of_user(struct upstream_user *user)
{
    return container_of(user, struct proxied, user);
}

static struct proxied *of_call(struct http_call *call)
{
    return container_of(call, struct proxied, call);
}

static void attempt(struct proxied *p);

/* ---- time ---- */

static void arm(struct proxied *p)
{
    nsec_t at = proxy_clock_deadline(&p->clock, &p->route->group->timeouts);

    if (at != NSEC_NEVER)
        loop_timer_set(request_loop(p->r), &p->timer, at);
}

static void enter(struct proxied *p, enum proxy_stage stage)
{
    proxy_clock_enter(&p->clock, stage, request_now(p->r));
    arm(p);
}

/* ---- the end of an attempt ---- */

/** Lets go of the server: its connection is kept if the engine says that it can be. */
static void leave(struct proxied *p)
{
    struct upstream *upstream = take(p->upstream);

    if (!upstream)
        return;
    if (p->call.client)
        http_call_cancel(&p->call);
    if (p->user.connection)
        http_charge(p->r->x, 0, -1);
    upstream_leave(upstream, &p->user);
    upstream->balance.in_flight--;
    loop_timer_cancel(request_loop(p->r), &p->timer);
}

/** One line a second for each server: what is not shown is counted. */
static void note_failure(struct proxied *p, struct upstream *upstream, const char *reason,
                         int error)
{
    nsec_t now = request_now(p->r);
    const struct log *log = request_log(p->r);

    if (upstream->logged && now - upstream->logged < LOG_EVERY * NSEC_PER_SEC) {
        upstream->unlogged++;
        return;
    }
    log_event(log, LOG_WARNING, "upstream failed",
              "upstream=%s stage=\"%s\" reason=\"%s\" error=\"%s\" after_ms=%lld attempt=%u "
              "reused=%s request=%s more=%u",
              upstream->name, proxy_stage_text(p->clock.stage), reason,
              error ? error_text(error) : "", (long long)((now - p->clock.entered) / NSEC_PER_MSEC),
              p->attempt, p->reused ? "yes" : "no", p->r->id, upstream->unlogged);
    upstream->logged = now;
    upstream->unlogged = 0;
}

/** The answer for a request that no server answered. */
static void give_up(struct proxied *p, int status, const char *reason, int error)
{
    p->r->error = error;
    queue_finish(&p->sending);
    request_fail(p->r, status, reason);
}

struct failure {
    const char *reason; /* static text, or in the request's arena */
    int error;
    int status; /* 502, or 504 */
    bool timed_out;
};

static bool is_idempotent(enum http_method method)
{
    return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS ||
           method == HTTP_PUT || method == HTTP_DELETE || method == HTTP_TRACE;
}

static bool may_retry(struct proxied *p, const struct failure *failure, bool sent)
{
    struct retry_question question = {
        .idempotent = is_idempotent(p->r->x->request.method),
        .body_touched = p->touched,
        .sent = sent,
        .received = p->call.received > 0,
        .timed_out = failure->timed_out,
        .attempt = p->attempt,
        .tries_max = p->route->group->tries,
    };

    return retry_is_safe(&question) &&
           retry_budget_take(&p->route->group->budget, request_now(p->r));
}

/** Whether the failure counts against the server. Behind a connection it may be the request's
 * doing: a client that knows one must not be able to take the last server away from all others. */
static bool blames_server(const struct proxied *p)
{
    const struct upstream_group *group = p->route->group;

    return p->clock.stage == PROXY_CONNECT ||
           balance_usable(group->servers, group->count, request_now(p->r)) > 1;
}

/** This attempt failed. A kept connection that ended before it brought a byte says nothing about
 * its server, which closed it as it was used. */
static void fail(struct proxied *p, const struct failure *failure, bool sent)
{
    struct upstream *upstream = p->upstream;
    bool stale = p->reused && p->call.received == 0 && !failure->timed_out;

    if (!stale) {
        if (blames_server(p))
            health_failed(&upstream->balance.health, &p->route->group->health, request_now(p->r));
        else
            health_unknown(&upstream->balance.health);
        if (p->tried_count < TRIES_MAX)
            p->tried[p->tried_count++] = &upstream->balance;
    } else {
        health_unknown(&upstream->balance.health);
    }
    bool again = may_retry(p, failure, sent);
    if (!stale || !again)
        note_failure(p, upstream, failure->reason, failure->error);
    leave(p);
    if (p->call.answered) { /* the client has a part of it: it must see that the rest lacks */
        p->answer_error = failure->error ? failure->error : ERR_CLOSED;
        p->r->reason = failure->reason;
        request_resume(p->r);
    } else if (again) {
        p->fresh = stale;
        p->status = failure->status;
        p->reason = failure->reason;
        p->error = failure->error;
        attempt(p);
    } else {
        give_up(p, failure->status, failure->reason, failure->error);
    }
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    static const char *const reasons[] = {
        [PROXY_CONNECT] = "the upstream server did not accept the connection in time",
        [PROXY_SEND] = "the upstream server did not take the request in time",
        [PROXY_ANSWER] = "the upstream server did not answer in time",
        [PROXY_BODY] = "the upstream server's answer stalled",
        [PROXY_TUNNEL] = "the tunnel was silent for too long",
    };
    struct proxied *p = container_of(timer, struct proxied, timer);

    if (now < proxy_clock_deadline(&p->clock, &p->route->group->timeouts)) {
        arm(p); /* it was put off meanwhile */
        return;
    }
    struct failure failure = {.reason = reasons[p->clock.stage],
                              .error = ERR_TIMEOUT,
                              .status = 504,
                              .timed_out = p->clock.stage != PROXY_CONNECT};
    fail(p, &failure, p->clock.stage != PROXY_CONNECT);
}

/* ---- the upload ---- */

static ssize_t read_upload(struct http_body *body, char *out, size_t cap)
{
    struct proxied *p = container_of(body, struct proxied, upload);
    size_t len = queue_take(&p->sending, out, cap);

    if (len > 0) {
        p->touched = true;
        request_consume(p->r, len);
        return (ssize_t)len;
    }
    if (p->sending_ends)
        return 0;
    p->clock.waits_for_client = true;
    return -EAGAIN;
}

static void go_on(struct proxied *p)
{
    if (!p->user.connection)
        return;
    p->clock.waits_for_client = false;
    p->clock.progress = request_now(p->r);
    arm(p);
    http_call_resume(&p->call);
    upstream_connection_due(p->user.connection);
}

static void proxy_on_body(struct request *r, struct span bytes)
{
    struct proxied *p = r->state;

    if (!p || !p->upstream) { /* nobody wants it any more */
        request_consume(r, bytes.len);
        return;
    }
    if (queue_add(&p->sending, bytes) < 0) {
        request_reset(r, "more of the body came than the client's window allows");
        return;
    }
    if (p->clock.stage == PROXY_SEND || p->clock.stage == PROXY_TUNNEL)
        go_on(p);
}

static void proxy_on_request_end(struct request *r)
{
    struct proxied *p = r->state;

    if (!p) /* refused in start() */
        return;
    p->sending_ends = true;
    if (p->upstream && p->clock.stage == PROXY_SEND)
        go_on(p);
}

/* ---- the answer ---- */

/** The client reads: what it takes makes room for more. */
static ssize_t read_answer(struct http_body *body, char *out, size_t cap)
{
    struct proxied *p = container_of(body, struct proxied, download);
    size_t len = queue_take(&p->answer, out, cap);

    if (len == 0)
        return p->answer_error ? p->answer_error : p->answer_ends ? 0 : -EAGAIN;
    if (p->user.connection) {
        bool full = p->call.held >= p->call.window;
        http_call_consume(&p->call, len);
        if (full) {
            p->clock.waits_for_client = false;
            p->clock.progress = request_now(p->r);
            arm(p);
            upstream_connection_due(p->user.connection);
        }
    }
    return (ssize_t)len;
}

static void on_inform(struct http_call *call, int status, const struct http_fields *fields)
{
    struct proxied *p = of_call(call);
    struct http_fields forwarded;

    /* Clients of HTTP/1.1 are known to stumble over informational answers. */
    if (status != 103 || p->r->x->request.version == HTTP_1_1)
        return;
    if (rewrite_answer(&p->r->x->arena, fields, &forwarded) == 0)
        http_inform(p->r->x, status, &forwarded);
}

/** The server switches to WebSocket: from now on both bodies are bytes of the tunnel. */
static void begin_tunnel(struct proxied *p, struct http_response *response)
{
    enter(p, PROXY_TUNNEL);
    p->sending_ends = false;
    p->call.body = &p->upload;
    response->content_length = -1;
    if (http_add(&p->r->x->arena, &response->fields, SPAN("upgrade"), p->call.upgrade) < 0) {
        leave(p);
        request_fail(p->r, 502, "the answer's fields use too much memory");
        return;
    }
    request_respond(p->r, response, &p->download);
}

static void on_answer(struct http_call *call)
{
    struct proxied *p = of_call(call);
    const struct http_answer *answer = &call->answer;
    struct http_response response = {.status = answer->status, .content_length = 0};

    health_succeeded(&p->upstream->balance.health, request_now(p->r));
    enter(p, PROXY_BODY);
    if (rewrite_answer(&p->r->x->arena, &answer->fields, &response.fields) < 0 ||
        (p->route->replaces && prefix_fields(&p->route->prefix, &p->r->x->arena,
                                             p->r->x->request.authority, &response.fields) < 0)) {
        leave(p);
        request_fail(p->r, 502, "the answer's fields use too much memory");
        return;
    }
    if (answer->status == 101) {
        begin_tunnel(p, &response);
        return;
    }
    if (answer->has_body || answer->status == 304 || p->r->x->request.method == HTTP_HEAD)
        response.content_length = answer->content_length;
    p->download.trailers = &p->trailers;
    request_respond(p->r, &response, &p->download);
}

static void on_body(struct http_call *call, struct span bytes)
{
    struct proxied *p = of_call(call);

    if (queue_add(&p->answer, bytes) < 0) { /* the window forbids it */
        http_call_consume(call, bytes.len);
        p->answer_error = ERR_LIMIT;
    }
    if (call->held >= call->window)
        p->clock.waits_for_client = true;
    request_resume(p->r);
}

static void on_end(struct http_call *call, int error)
{
    struct proxied *p = of_call(call);
    struct failure failure = {.reason = call->reason, .error = error, .status = 502};

    if (error) {
        fail(p, &failure, p->user.connection->sent);
        return;
    }
    p->trailers = call->answer.trailers;
    http_trailers_filter(&p->trailers);
    p->answer_ends = true;
    leave(p);
    request_resume(p->r);
}

static const struct http_call_events call_events = {on_inform, on_answer, on_body, on_end};

/* ---- an attempt ---- */

static void on_connection(struct upstream_user *user, struct upstream_connection *connection)
{
    struct proxied *p = of_user(user);
    const struct http_request *request = &p->r->x->request;

    p->reused = connection->requests > 1;
    p->call = (struct http_call){
        .events = &call_events,
        .method = request->method_text,
        .target = p->call.target,
        .authority = request->authority.len ? request->authority : span_str(p->upstream->authority),
        .fields = &p->fields,
        .content_length = request->content_length,
        .body = request->has_body ? &p->upload : NULL,
        .upgrade = request->upgrade,
        .arena = &p->r->x->arena,
        .window = p->route->window,
    };
    enter(p, PROXY_SEND);
    http_charge(p->r->x, 0, 1);
    if (request->has_body)
        http_inform(p->r->x, 100, NULL);
    http_client_call(connection->client, &p->call);
    upstream_connection_due(connection);
}

static void on_no_connection(struct upstream_user *user, int error, const char *reason)
{
    struct proxied *p = of_user(user);
    const char *copy = reason ? arena_copy(&p->r->x->arena, span_str(reason)) : NULL;
    struct failure failure = {.reason = copy ? copy : "no connection to the upstream server",
                              .error = error,
                              .status = error == -ETIMEDOUT ? 504 : 502};

    fail(p, &failure, false);
}

static void on_progress(struct upstream_user *user)
{
    struct proxied *p = of_user(user);

    p->clock.progress = request_now(p->r);
    if (p->clock.stage == PROXY_SEND && p->call.request_sent)
        enter(p, PROXY_ANSWER);
}

static struct upstream *choose(struct proxied *p)
{
    struct upstream_group *group = p->route->group;
    struct proxy *proxy = group->proxy;
    struct balance_question question = {
        .kind = group->balance,
        .health = &group->health,
        .now = request_now(p->r),
        .tried = p->tried,
        .tried_count = p->tried_count,
    };

    if (group->balance == BALANCE_HASH)
        question.hash = hash_bytes(
            span_of((const char *)p->r->client->address.bytes, sizeof p->r->client->address.bytes),
            (const uint64_t[2]){1, 2}); /* the same in every worker */
    proxy->random = proxy->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    question.random = proxy->random >> 32 ^ proxy->random << 32;
    struct balance_server *server = balance_choose(group->servers, group->count, &question);
    return server ? upstream_of(server) : NULL;
}

/** No server may be asked: the client hears when one may be again. */
static void refuse(struct proxied *p)
{
    struct upstream_group *group = p->route->group;
    nsec_t now = request_now(p->r), at = balance_retry_at(group->servers, group->count, now);
    nsec_t seconds = at ? (at - now + NSEC_PER_SEC - 1) / NSEC_PER_SEC : 1;

    struct http_field field = {
        SPAN("retry-after"),
        arena_printf(&p->r->x->arena, "%d",
                     (int)(seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX))};
    if (field.value.ptr)
        request_fail_with(p->r, 503, "no upstream server is available", &field);
    else
        request_fail(p->r, 503, "no upstream server is available");
}

static void attempt(struct proxied *p)
{
    struct upstream *upstream = choose(p);

    if (!upstream && p->status)
        give_up(p, p->status, p->reason, p->error);
    else if (!upstream)
        refuse(p);
    if (!upstream)
        return;
    p->upstream = upstream;
    p->attempt++;
    upstream->balance.in_flight++;
    health_chosen(&upstream->balance.health, request_now(p->r));
    p->call.received = 0;
    p->reused = false;
    enter(p, PROXY_CONNECT);
    int r = upstream_connect(upstream, &p->user, p->fresh, p->route->group->waiting_max);
    if (r == 0)
        return;
    health_unknown(&upstream->balance.health);
    leave(p);
    give_up(p, 503,
            r == ERR_LIMIT ? "too many requests wait for the upstream server"
                           : "the connector does not answer",
            r);
}

/** Origin-form, as the client wrote it; a fragment or an authority never is in it. @param path  for
 *  the server */
static struct span target_of(struct request *r, struct span path)
{
    const struct http_request *request = &r->x->request;

    if (!request->query.ptr)
        return path;
    return arena_printf(&r->x->arena, "%.*s?%.*s", SPAN_ARGS(path), SPAN_ARGS(request->query));
}

static void proxy_start(struct request *r)
{
    const struct proxy_route *route = r->route->config;
    struct proxied *p = arena_alloc(&r->x->arena, sizeof *p);
    struct rewrite_facts facts = {
        .peer = r->client->address,
        .trusted = proxy_trust_allows(route->trust, r->client->address),
        .secure = r->client->secure,
        .id = span_str(r->id),
        .prefix = route->replaces ? route->prefix.route : SPAN(""),
    };

    if (!p) {
        request_fail(r, 500, "the memory of the exchange is full");
        return;
    }
    struct span path = r->x->request.path;
    bool ambiguous = path_is_ambiguous(path);
    if (!ambiguous && route->replaces && span_starts(path, SPAN("/")))
        path = prefix_to_server(&route->prefix, &r->x->arena, path);
    if (ambiguous || !path.ptr) {
        request_fail(r, 400, "the path can be read in two ways");
        return;
    }
    memset(p, 0, sizeof *p);
    r->state = p;
    p->r = r;
    p->route = route;
    p->upload.read = read_upload;
    p->download.read = read_answer;
    p->timer.on_timeout = on_timeout;
    p->sending = queue_make(UPLOAD_MAX);
    p->answer = queue_make(route->window + UPSTREAM_SCRATCH);
    p->clock.began = request_now(r);
    list_init(&p->user.waiting);
    p->user.careful = !is_idempotent(r->x->request.method);
    p->user.on_connection = on_connection;
    p->user.on_no_connection = on_no_connection;
    p->user.on_progress = on_progress;
    p->call.target = target_of(r, path);
    retry_budget_request(&route->group->budget, p->clock.began);
    if (!p->call.target.ptr ||
        rewrite_request(&r->x->arena, &r->x->request, &facts, &p->fields) < 0)
        request_fail(r, 431, "the memory of the exchange is full");
    else
        attempt(p);
}

static void proxy_on_close(struct request *r, enum http_end end)
{
    struct proxied *p = r->state;

    if (!p)
        return;
    if (p->upstream)
        health_unknown(&p->upstream->balance.health);
    leave(p);
    queue_finish(&p->sending);
    queue_finish(&p->answer);
}

/* ---- routes ---- */

void *proxy_route_create(struct upstream_group *group, const struct proxy_settings *settings,
                         struct span path, const struct proxy_trust *trust)
{
    struct proxy_route *route = mem_new(struct proxy_route);

    route->group = group;
    route->trust = trust;
    route->window = (size_t)settings->buffer;
    route->replaces = settings->path != NULL;
    if (route->replaces)
        prefix_create(path, settings->path, &route->prefix);
    return route;
}

static void proxy_release(void *config)
{
    struct proxy_route *route = config;

    upstream_group_unref(route->group);
    prefix_finish(&route->prefix);
    free(route);
}

const struct handler proxy_handler = {
    .name = "proxy",
    .takes_encoded_slashes = true,
    .start = proxy_start,
    .on_body = proxy_on_body,
    .on_request_end = proxy_on_request_end,
    .on_tunnel = proxy_on_body,
    .on_close = proxy_on_close,
    .release = proxy_release,
};
