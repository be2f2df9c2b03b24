/* Changes Set-Cookie where the application forgot attributes, and adds security fields that the
 * answer does not have. Nothing that an application has said is taken back. */
#include "protect/answers.h"

#include "base/error.h"

#include "protect/notes.h"

/* ---- cookies ---- */

/** Scripts read tokens against forged requests from their cookies. */
static bool is_for_scripts(struct span name)
{
    for (size_t i = 0; i + 4 <= name.len; i++) {
        struct span part = span_of(name.ptr + i, 4);
        if (span_equal_nocase(part, SPAN("csrf")) || span_equal_nocase(part, SPAN("xsrf")))
            return true;
    }
    return false;
}

unsigned cookie_lacks(struct span set_cookie, bool secure)
{
    struct span rest = set_cookie, part, name;
    unsigned lacks = COOKIE_HTTP_ONLY | COOKIE_SAME_SITE | (secure ? COOKIE_SECURE : 0);

    if (!span_next(&rest, ';', &part))
        return 0;
    if (span_find(part, '=') < 0 || !span_next(&part, '=', &name))
        return 0;
    if (is_for_scripts(name))
        lacks &= ~(unsigned)COOKIE_HTTP_ONLY;
    while (span_next(&rest, ';', &part)) {
        if (!span_next(&part, '=', &name))
            continue;
        name = span_trim(name);
        if (span_equal_nocase(name, SPAN("secure")))
            lacks &= ~(unsigned)COOKIE_SECURE;
        else if (span_equal_nocase(name, SPAN("httponly")))
            lacks &= ~(unsigned)COOKIE_HTTP_ONLY;
        else if (span_equal_nocase(name, SPAN("samesite")))
            lacks &= ~(unsigned)COOKIE_SAME_SITE;
    }
    return lacks;
}

/** @return 0, or ERR_LIMIT when the arena is full */
static int harden(struct protect_notes *notes, struct protect_question *question,
                  struct http_response *response)
{
    bool on = question->rules->cookies == PROTECT_ON;
    bool noted = false;

    for (unsigned i = 0; i < response->fields.count; i++) {
        struct http_field *field = &response->fields.items[i];
        if (!span_equal(field->name, SPAN("set-cookie")))
            continue;
        unsigned lacks = cookie_lacks(field->value, question->client->secure);
        if (lacks && !on && !noted)
            protect_note(notes, question, "cookies", false,
                         "a cookie lacks Secure, HttpOnly or SameSite");
        noted |= lacks != 0;
        if (!lacks || !on)
            continue;
        struct span value = arena_printf(
            &question->exchange->arena, "%.*s%s%s%s", SPAN_ARGS(field->value),
            lacks & COOKIE_SECURE ? "; Secure" : "", lacks & COOKIE_HTTP_ONLY ? "; HttpOnly" : "",
            lacks & COOKIE_SAME_SITE ? "; SameSite=Lax" : "");
        if (!value.ptr)
            return ERR_LIMIT;
        field->value = value;
    }
    return 0;
}

/* ---- fields ---- */

static const struct http_field basic[] = {
    {{"referrer-policy", 15}, {"strict-origin-when-cross-origin", 31}},
    {{"x-frame-options", 15}, {"SAMEORIGIN", 10}},
    {{"cross-origin-opener-policy", 26}, {"same-origin-allow-popups", 24}},
};

#define CONTENT_POLICY                                                                             \
    "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; "            \
    "object-src 'none'"
#define PERMISSIONS "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

static const struct http_field strict[] = {
    {{"referrer-policy", 15}, {"same-origin", 11}},
    {{"x-frame-options", 15}, {"DENY", 4}},
    {{"cross-origin-opener-policy", 26}, {"same-origin", 11}},
    {{"cross-origin-resource-policy", 28}, {"same-origin", 11}},
    {{"content-security-policy", 23}, {CONTENT_POLICY, sizeof CONTENT_POLICY - 1}},
    {{"permissions-policy", 18}, {PERMISSIONS, sizeof PERMISSIONS - 1}},
};

static int add_fields(enum protect_headers level, struct arena *arena, struct http_fields *fields)
{
    const struct http_field *list = level == PROTECT_HEADERS_STRICT ? strict : basic;
    size_t count = level == PROTECT_HEADERS_STRICT ? ARRAY_SIZE(strict) : ARRAY_SIZE(basic);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < count; i++)
        if (!http_find(fields, list[i].name))
            r = http_add(arena, fields, list[i].name, list[i].value);
    return r;
}

static struct verdict on_response(void *policy, struct protect_question *question, unsigned number,
                                  struct http_response *response)
{
    const struct protect_rules *rules = question->rules;
    int r = 0;

    (void)number;
    if (!rules)
        return verdict_pass();
    if (rules->cookies > PROTECT_OFF)
        r = harden(policy, question, response);
    if (r >= 0 && rules->security_headers > PROTECT_HEADERS_OFF)
        r = add_fields(rules->security_headers, &question->exchange->arena, &response->fields);
    return r < 0 ? verdict_refuse(500, "the memory of the exchange is full") : verdict_pass();
}

const struct protect_policy answers_policy = {.name = "answers", .on_response = on_response};
