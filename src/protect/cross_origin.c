/* Safe methods pass. Sec-Fetch-Site, which scripts cannot set, decides where it is there:
 * same-origin and none (the address bar) pass. Older browsers send Origin, whose host must be the
 * one asked for. A request with neither comes from no browser. */
#include "protect/cross_origin.h"

#include "protect/notes.h"

static const char other_site[] = "a page of another origin sent it (Sec-Fetch-Site)";
static const char other_origin[] = "a page of another origin sent it (Origin)";

static bool is_safe(enum http_method method)
{
    return method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS;
}

/** host[:port] of an origin; ptr NULL for "null" and what is none.
 *  @param ret_default  the port that its scheme stands for */
static struct span origin_host(struct span origin, struct span *ret_default)
{
    ptrdiff_t at = span_find_span(origin, SPAN("://"));

    if (at < 0)
        return (struct span){NULL, 0};
    *ret_default = at == 5 ? SPAN(":443") : SPAN(":80");
    return span_from(origin, (size_t)at + 3);
}

static struct span without(struct span host, struct span port)
{
    if (span_ends(host, port))
        host.len -= port.len;
    return host;
}

const char *cross_origin_judge(const struct http_request *request, struct span host)
{
    struct span port = {NULL, 0};

    if (is_safe(request->method))
        return NULL;
    struct span site = http_value(&request->fields, SPAN("sec-fetch-site"));
    if (site.len)
        return span_equal(site, SPAN("same-origin")) || span_equal(site, SPAN("none")) ? NULL
                                                                                       : other_site;
    struct span origin = http_value(&request->fields, SPAN("origin"));
    if (!origin.len)
        return NULL;
    struct span from = origin_host(origin, &port);
    return from.ptr && span_equal_nocase(without(from, port), without(host, port)) ? NULL
                                                                                   : other_origin;
}

static bool is_exempt(const struct protect_rules *rules, const struct protect_question *question)
{
    const struct config_strings *origins = rules->cross_origin_allow;
    const struct config_strings *paths = rules->cross_origin_exempt;
    struct span origin = http_value(&question->exchange->request.fields, SPAN("origin"));

    for (size_t i = 0; i < origins->count; i++)
        if (span_equal(span_str(origins->items[i]), origin))
            return true;
    for (size_t i = 0; i < paths->count; i++)
        if (protect_path_beneath(question->path, span_str(paths->items[i])))
            return true;
    return false;
}

static struct verdict on_request(void *policy, struct protect_question *question, unsigned number)
{
    const struct protect_rules *rules = question->rules;

    if (!rules || rules->cross_origin <= PROTECT_OFF)
        return verdict_pass();
    const char *reason = cross_origin_judge(&question->exchange->request, question->host);
    if (likely(!reason) || is_exempt(rules, question))
        return verdict_pass();
    protect_note(policy, question, "cross_origin", rules->cross_origin == PROTECT_ON, reason);
    if (rules->cross_origin == PROTECT_ON)
        return verdict_refuse(403, reason);
    question->watched |= 1u << number;
    return verdict_pass();
}

const struct protect_policy cross_origin_policy = {.name = "cross_origin",
                                                   .on_request = on_request};
