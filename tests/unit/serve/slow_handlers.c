/* The handlers of slow_handlers.h: all that they do later, they do from timers of the loop. */
#include "slow_handlers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"

struct slow_counts slow_counts;

/* ---- later ---- */

struct later {
    struct loop_timer timer;
    struct request *r;
};

static void on_later(struct loop_timer *timer, nsec_t now)
{
    struct later *later = container_of(timer, struct later, timer);
    struct http_response response;

    (void)now;
    if (request_response(later->r, 200, 1, &response) < 0)
        abort();
    response.fields.items[response.fields.count++] =
        (struct http_field){SPAN("content-type"), SPAN("text/plain")};
    response.content_length = 5;
    request_respond(later->r, &response, request_text_body(later->r, SPAN("later")));
}

static void start_later(struct request *r)
{
    struct later *later = mem_new(struct later);

    slow_counts.starts++;
    later->r = r;
    later->timer.on_timeout = on_later;
    r->state = later;
    loop_timer_set(request_loop(r), &later->timer, request_now(r) + LATER_PAUSE);
}

static void close_later(struct request *r, enum http_end end)
{
    struct later *later = r->state;

    (void)end;
    slow_counts.closes++;
    loop_timer_cancel(request_loop(r), &later->timer);
    free(later);
}

const struct handler later_handler = {
    .name = "later", .start = start_later, .on_close = close_later};

/* ---- echo ---- */

struct echo {
    struct http_body body;
    struct loop_timer timer;
    struct request *r;
    struct buffer in;  /* received, not consumed */
    struct buffer out; /* to be sent */
    bool complete;
};

static ssize_t echo_read(struct http_body *body, char *out, size_t cap)
{
    struct echo *echo = container_of(body, struct echo, body);
    size_t count = echo->out.len < cap ? echo->out.len : cap;

    if (count == 0)
        return echo->complete && echo->in.len == 0 ? 0 : -EAGAIN;
    memcpy(out, echo->out.data, count);
    buffer_consume(&echo->out, count);
    return (ssize_t)count;
}

static void on_echo(struct loop_timer *timer, nsec_t now)
{
    struct echo *echo = container_of(timer, struct echo, timer);
    size_t count = echo->in.len < ECHO_STEP ? echo->in.len : ECHO_STEP;

    loop_timer_set(request_loop(echo->r), timer, now + ECHO_PAUSE);
    if (slow_counts.stopped)
        return;
    if (echo->out.len + count > ECHO_OUT_MAX)
        return;
    if (count && buffer_append(&echo->out, echo->in.data, count) < 0)
        abort();
    buffer_consume(&echo->in, count);
    request_consume(echo->r, count);
    request_resume(echo->r);
}

static void start_echo(struct request *r)
{
    struct echo *echo = mem_new(struct echo);
    struct http_response response;

    slow_counts.starts++;
    echo->r = r;
    echo->in = buffer_make(64 << 20);
    echo->out = buffer_make(ECHO_OUT_MAX);
    echo->body.read = echo_read;
    echo->timer.on_timeout = on_echo;
    r->state = echo;
    loop_timer_set(request_loop(r), &echo->timer, request_now(r) + ECHO_PAUSE);
    if (request_response(r, 200, 1, &response) < 0)
        abort();
    response.content_length = -1;
    request_respond(r, &response, &echo->body);
}

static void echo_on_body(struct request *r, struct span bytes)
{
    struct echo *echo = r->state;

    if (buffer_add(&echo->in, bytes) < 0)
        abort();
    if (echo->in.len > slow_counts.max_in)
        slow_counts.max_in = echo->in.len;
}

static void echo_on_end(struct request *r)
{
    struct echo *echo = r->state;

    echo->complete = true;
}

static void close_echo(struct request *r, enum http_end end)
{
    struct echo *echo = r->state;

    (void)end;
    slow_counts.closes++;
    loop_timer_cancel(request_loop(r), &echo->timer);
    buffer_finish(&echo->in);
    buffer_finish(&echo->out);
    free(echo);
}

const struct handler echo_handler = {
    .name = "echo",
    .start = start_echo,
    .on_body = echo_on_body,
    .on_request_end = echo_on_end,
    .on_close = close_echo,
};

/* ---- the policy ---- */

struct inspection {
    struct loop_timer timer;
    struct protect_question *question;
    unsigned number;
    bool evil;
};

static void decide(struct loop_timer *timer, nsec_t now)
{
    struct inspection *inspection = container_of(timer, struct inspection, timer);
    struct verdict verdict = verdict_refuse(403, "evil body");

    (void)now;
    if (!inspection->evil)
        verdict = verdict_pass();
    protect_decide(inspection->question, inspection->number, &verdict);
}

static struct verdict inspect_request(void *policy, struct protect_question *question,
                                      unsigned number)
{
    struct loop *loop = policy;

    (void)loop;
    if (!span_starts(question->path, SPAN("/inspected")))
        return verdict_pass();
    struct inspection *inspection = mem_new(struct inspection);
    *inspection = (struct inspection){.question = question, .number = number};
    inspection->timer.on_timeout = decide;
    question->state[number] = inspection;
    question->inspecting |= 1u << number;
    return verdict_pass();
}

static struct verdict inspect_body(void *policy, struct protect_question *question, unsigned number,
                                   struct span bytes)
{
    struct inspection *inspection = question->state[number];

    inspection->evil |= span_find_span(bytes, SPAN("evil")) >= 0;
    if (question->body_done)
        loop_timer_set(policy, &inspection->timer, question->now + LATER_PAUSE);
    return (struct verdict){.kind = VERDICT_WAIT};
}

static void inspection_closed(void *policy, struct protect_question *question, unsigned number,
                              enum http_end end)
{
    struct inspection *inspection = question->state[number];

    (void)end;
    if (inspection)
        loop_timer_cancel(policy, &inspection->timer);
    free(inspection);
}

const struct protect_policy waiting_policy = {
    .name = "waiting",
    .on_request = inspect_request,
    .on_body = inspect_body,
    .on_closed = inspection_closed,
};
