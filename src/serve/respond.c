/* The exit of the pipeline: whatever answers, its answer passes here.
 *
 * request_respond → error page → protect_response → compression → header rules → http_respond */
#include "base/mem.h"
#include "serve/compress_filter.h"
#include "serve/error_page.h"
#include "serve/header_rules.h"
#include "serve/request.h"
#include "serve/server_state.h"

/* ---- bodies of text ---- */

struct text_body {
    struct http_body base;
    struct span rest;
};

static ssize_t text_read(struct http_body *body, char *out, size_t cap)
{
    struct text_body *b = container_of(body, struct text_body, base);
    size_t count = b->rest.len < cap ? b->rest.len : cap;

    memcpy(out, b->rest.ptr, count);
    b->rest = span_from(b->rest, count);
    return (ssize_t)count;
}

struct http_body *request_text_body(const struct request *r, struct span text)
{
    struct text_body *b = arena_alloc(&r->x->arena, sizeof *b);

    if (!b)
        return NULL;
    *b = (struct text_body){{text_read, NULL, NULL}, text};
    return &b->base;
}

/* ---- the exit ---- */

static void close_body(struct http_body *body)
{
    if (body && body->close)
        body->close(body);
}

static void send_bare(struct request *r)
{
    const struct http_response bare = {.status = 500, .content_length = 0};

    r->reason = "the memory of the exchange is full";
    http_respond(r->x, &bare, NULL);
}

static bool wants_page(const struct http_response *response, const struct http_body *body)
{
    return response->status >= 400 && !body && response->content_length <= 0;
}

/* The verdict takes the answer's place; its own answer is not judged again. */
static void replace(struct request *r, const struct verdict *verdict)
{
    r->verdict = *verdict;
    r->reason = verdict->reason;
    r->answer_judged = true;
    struct http_response response = {
        .status = verdict->status, .fields = verdict->fields, .content_length = 0};
    struct http_body *body = NULL;
    if (verdict->body.len) {
        body = request_text_body(r, verdict->body);
        response.content_length = (int64_t)verdict->body.len;
    }
    if (verdict->status == 0)
        request_reset(r, verdict->reason);
    else
        request_respond(r, &response, body);
}

void request_respond(struct request *r, const struct http_response *response,
                     struct http_body *body)
{
    struct http_response answer = *response;
    struct arena *arena = &r->x->arena;
    bool head = r->x->request.method == HTTP_HEAD;

    if (unlikely(r->x->responded)) {
        close_body(body);
        return;
    }
    r->answered = request_now(r);
    if (unlikely(wants_page(&answer, body)) && !error_page_add(r, &answer, &body)) {
        send_bare(r);
        return;
    }
    if (unlikely(!r->answer_judged)) {
        r->question.now = r->answered;
        struct verdict verdict = protect_response(r->server->protect, &r->question, &answer);
        if (unlikely(verdict.kind != VERDICT_PASS)) {
            close_body(body);
            replace(r, &verdict);
            return;
        }
    }
    if (unlikely(head && body)) {
        close_body(body);
        body = NULL;
    }
    if (!r->coding_settled && compress_filter(r, &answer, &body) < 0) {
        close_body(body);
        send_bare(r);
        return;
    }
    if (r->site && header_rules_apply(r->rules, r->rule_count, arena, &answer) < 0) {
        close_body(body);
        send_bare(r);
        return;
    }
    http_respond(r->x, &answer, body);
}

int request_response(const struct request *r, int status, unsigned own,
                     struct http_response *ret_response)
{
    unsigned room = own + (unsigned)r->rule_count + 4; /* of an error page or a coding */
    struct http_field *items = arena_alloc(&r->x->arena, room * sizeof *items);

    if (!items)
        return ERR_LIMIT;
    *ret_response = (struct http_response){.status = status, .fields = {items, 0, room}};
    return 0;
}

void request_fail_with(struct request *r, int status, const char *reason,
                       const struct http_field *field)
{
    struct http_response response;

    if (reason)
        r->reason = reason;
    r->coding_settled = false; /* of what was to be answered; not of the page */
    if (request_response(r, status, 1, &response) < 0) {
        send_bare(r);
        return;
    }
    if (field)
        response.fields.items[response.fields.count++] = *field;
    request_respond(r, &response, NULL);
}

void request_fail(struct request *r, int status, const char *reason)
{
    request_fail_with(r, status, reason, NULL);
}

void request_resume(struct request *r)
{
    http_resume(r->x);
}

void request_reset(struct request *r, const char *reason)
{
    if (reason && !r->reason)
        r->reason = reason;
    http_reset(r->x);
}
