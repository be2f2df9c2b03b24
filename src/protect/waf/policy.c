/* The web application firewall as a policy of protection.
 *
 * on_request (phase 1; phase 2 if there is no body) → on_body … (phase 2 at its end) → on_response
 * (phase 3) → on_closed (phase 5) */
#include "protect/waf/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "protect/waf/engine.h"
#include "protect/waf/settings.h"

enum {
    MEMORY_MAX = 4 << 20, /* bytes of one transaction */
    HEADERS_MAX = 256,
    SHOWN_MAX = 120, /* bytes of a value in the log */
};

struct waf_policy {
    const struct log *log;
};

/** One request under inspection. */
struct inspection {
    struct waf_policy *policy;
    struct protect_question *question;
    struct waf_transaction *t;
    struct buffer body;
    bool body_looked_at; /* phase 2 has run */
};

struct waf_policy *waf_policy_create(const struct log *log)
{
    struct waf_policy *policy = mem_new(struct waf_policy);

    policy->log = log;
    return policy;
}

void waf_policy_destroy(struct waf_policy *policy)
{
    free(policy);
}

/* ---- matches ---- */

static struct span cut(struct span text)
{
    return text.len > SHOWN_MAX ? span_of(text.ptr, SHOWN_MAX) : text;
}

static void on_match(void *owner, const struct waf_match *match)
{
    const struct inspection *inspection = owner;
    const struct http_request *request = &inspection->question->exchange->request;
    char message[400], variable[300], found[600], host[300], path[600];

    log_event(inspection->policy->log, LOG_NOTICE, "waf match",
              "id=%u request=%.*s host=%s path=%s variable=%s found=%s msg=%s severity=%d phase=%d",
              match->rule->id, SPAN_ARGS(inspection->question->request_id),
              log_quoted(host, sizeof host, cut(request->host)),
              log_quoted(path, sizeof path, cut(request->path)),
              log_quoted(variable, sizeof variable, cut(match->variable)),
              log_quoted(found, sizeof found, cut(match->found)),
              log_quoted(message, sizeof message, cut(match->message)), match->rule->severity,
              (int)match->phase);
}

/* ---- the request ---- */

static const char *protocol_of(enum http_version version)
{
    return version == HTTP_1_0 ? "HTTP/1.0" : version == HTTP_1_1 ? "HTTP/1.1" : "HTTP/2.0";
}

static unsigned copy_fields(const struct http_fields *fields, struct waf_member *out)
{
    unsigned count = fields->count < HEADERS_MAX - 1 ? fields->count : HEADERS_MAX - 1;

    for (unsigned i = 0; i < count; i++)
        out[i] = (struct waf_member){fields->items[i].name, fields->items[i].value};
    return count;
}

static void begin(struct inspection *inspection)
{
    const struct protect_question *question = inspection->question;
    const struct http_request *request = &question->exchange->request;
    struct waf_member headers[HEADERS_MAX];
    char address[46];
    unsigned count = copy_fields(&request->fields, headers);

    /* HTTP/2 has no host field: rules look for one. */
    if (request->version >= HTTP_2 && request->authority.len)
        headers[count++] = (struct waf_member){SPAN("host"), request->authority};
    peer_address_text(question->client->address, address);
    const struct waf_request q = {
        .method = request->method_text,
        .target = request->target,
        .protocol = span_str(protocol_of(request->version)),
        .client_address = span_str(address),
        .client_port = question->client->port,
        .server_name = request->host,
        .server_port = question->client->local_port,
        .unique_id = question->request_id,
        .headers = headers,
        .header_count = count,
        .wall = nsec_realtime(),
        .now = question->now,
    };
    const struct waf_ops ops = {on_match, inspection};
    inspection->t = waf_transaction_create(question->waf_rules, &q, &ops, MEMORY_MAX);
    if (question->waf_mode == WAF_MODE_WATCH && inspection->t->engine == WAF_ENGINE_ON)
        inspection->t->engine = WAF_ENGINE_DETECTION_ONLY;
}

/** What a phase has come to. */
static struct verdict verdict_of(const struct inspection *inspection, bool refused)
{
    const struct waf_transaction *t = inspection->t;

    if (!refused)
        return verdict_pass();
    return verdict_refuse(t->drop           ? 0
                          : t->status < 400 ? 403
                                            : t->status,
                          "the web application firewall refused it");
}

static struct verdict look_at_body(struct inspection *inspection)
{
    inspection->body_looked_at = true;
    waf_transaction_body(inspection->t, buffer_span(&inspection->body));
    bool refused = waf_run(inspection->t, WAF_REQUEST_BODY);
    /* A handler that has answered without the body gets none of it: nothing is left to refuse. */
    return verdict_of(inspection, refused && !inspection->question->exchange->responded);
}

static struct verdict on_request(void *policy, struct protect_question *question, unsigned number)
{
    if (!question->waf_rules || question->waf_mode <= WAF_MODE_OFF)
        return verdict_pass();
    struct inspection *inspection = mem_new(struct inspection);
    *inspection = (struct inspection){
        .policy = policy, .question = question, .body = buffer_make(question->hold_limit)};
    question->state[number] = inspection;
    begin(inspection);
    struct verdict verdict = verdict_of(inspection, waf_run(inspection->t, WAF_REQUEST_HEADERS));
    if (verdict.kind != VERDICT_PASS)
        return verdict;
    if (!question->exchange->request.has_body)
        return look_at_body(inspection);
    question->inspecting |= 1u << number;
    return verdict_pass();
}

static struct verdict on_body(void *policy, struct protect_question *question, unsigned number,
                              struct span bytes)
{
    struct inspection *inspection = question->state[number];

    (void)policy;
    if (!inspection || inspection->body_looked_at)
        return verdict_pass();
    size_t room = inspection->body.ceiling - inspection->body.len;
    bool full = bytes.len >= room;
    if (full)
        bytes.len = room;
    if (buffer_add(&inspection->body, bytes) < 0)
        return verdict_refuse(413, "the body is too large to be looked at");
    if (question->body_done || full) /* what is beyond the limit goes on unseen */
        return look_at_body(inspection);
    return (struct verdict){.kind = VERDICT_WAIT};
}

/** Phase 5, which logs, and the end: a long answer holds nothing of it. */
static void finish(struct protect_question *question, unsigned number)
{
    struct inspection *inspection = question->state[number];

    (void)waf_run(inspection->t, WAF_LOGGING);
    waf_transaction_destroy(inspection->t);
    buffer_finish(&inspection->body);
    free(inspection);
    question->state[number] = NULL;
    question->inspecting &= ~(1u << number);
}

static struct verdict on_response(void *policy, struct protect_question *question, unsigned number,
                                  struct http_response *response)
{
    struct inspection *inspection = question->state[number];
    struct waf_member headers[HEADERS_MAX];

    (void)policy;
    if (!inspection || !inspection->body_looked_at)
        return verdict_pass();
    struct verdict verdict = verdict_pass();
    if (!inspection->t->status) {
        unsigned count = copy_fields(&response->fields, headers);
        waf_transaction_response(inspection->t, response->status, headers, count);
        verdict = verdict_of(inspection, waf_run(inspection->t, WAF_RESPONSE_HEADERS));
    }
    finish(question, number);
    return verdict;
}

static void on_closed(void *policy, struct protect_question *question, unsigned number,
                      enum http_end end)
{
    (void)policy, (void)end;
    if (question->state[number])
        finish(question, number);
}

const struct protect_policy waf_policy = {
    .name = "waf",
    .on_request = on_request,
    .on_body = on_body,
    .on_response = on_response,
    .on_closed = on_closed,
};
