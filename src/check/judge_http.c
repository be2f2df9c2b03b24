/* What the server answers: the status, where it leads, HSTS, and port 80. */
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "check/internal.h"
#include "http/http.h"
#include "report/printer.h"
#include "tls/tls.h"

enum {
    HALF_A_YEAR = 180 * 86400, /* seconds */
    PRELOAD_AGE = 31536000,    /* hstspreload.org */
};

static const char *version_text(int version)
{
    return version == HTTP_2 ? "HTTP/2" : version == HTTP_1_0 ? "HTTP/1.0" : "HTTP/1.1";
}

static char *escape(const char *text)
{
    return escape_text(span_str(text));
}

/* ---- the answer ---- */

static enum finding_grade grade_of(int status)
{
    if (status >= 500)
        return FINDING_BAD;
    if (status == 401 || status == 403)
        return FINDING_NOTE;
    return status >= 400 ? FINDING_WARNING : FINDING_GOOD;
}

static void hint_status(const struct check *check, int status, struct finding *finding)
{
    if (status == 502 || status == 503 || status == 504)
        finding_hint(finding,
                     "the front server works, the application behind it does not: start it, "
                     "and look into the front server's error log");
    else if (status >= 500)
        finding_hint(finding, "look into the server's error log");
    else if (status == 421)
        finding_hint(finding, "let the server know the name %s on this address",
                     check->options->target->host);
    else if (status == 404)
        finding_hint(finding,
                     "put a page there, or give another one's address: gardien check "
                     "https://%s/page",
                     check->options->target->host);
    else if (status == 400)
        finding_hint(finding,
                     "see in the server's log what it dislikes; an unknown host name often "
                     "is it");
    else if (status >= 400 && status != 401 && status != 403)
        finding_hint(finding, "look into the server's log");
}

/* What browsers put up with, and other clients may not. */
static void note_oddities(const struct probe *probe, struct findings *findings)
{
    static const struct {
        unsigned oddity;
        const char *sentence, *hint;
    } known[] = {
        {HTTP_FETCH_FOLDED, "a header field is folded over two lines, which RFC 9112 forbids",
         "write each field on one line: some clients and proxies refuse the answer"},
        {HTTP_FETCH_NO_FIELD, "a line of the header is no field: it has no name or no colon",
         "correct what writes that line: some clients and proxies refuse the answer"},
        {HTTP_FETCH_BLANK_NAME, "a header field has a blank between its name and the colon",
         "take the blank out: some clients and proxies refuse the answer"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (probe->oddities & known[i].oddity)
            finding_hint(findings_add(findings, FINDING_WARNING, "http", "%s", known[i].sentence),
                         "%s", known[i].hint);
    if (probe->lengths_differ)
        finding_hint(findings_add(findings, FINDING_BAD, "http",
                                  "two Content-Length fields contradict each other: browsers "
                                  "refuse the answer"),
                     "let one program write the length, and send it once");
}

static bool leads_nowhere(const struct probe *probe)
{
    bool redirect = probe->status == 301 || probe->status == 302 || probe->status == 303 ||
                    probe->status == 307 || probe->status == 308;

    return redirect && (!probe->location || !*probe->location);
}

static const char *status_note(const struct probe *probe)
{
    if (probe->status > 599)
        return ": there is no such status, clients take it for a server's error";
    if (leads_nowhere(probe))
        return probe->location ? ", but its Location field is empty: visitors get no page"
                               : ", but without a Location field: visitors get no page";
    return "";
}

static struct finding *add_answer(const struct check *check, const struct probe *probe,
                                  struct findings *findings)
{
    const char *target = check->options->target->path;

    struct finding *finding = findings_add(
        findings, leads_nowhere(probe) ? FINDING_BAD : grade_of(probe->status), "http",
        "%s answers %d (%s) for %s%s", version_text(probe->version), probe->status,
        http_reason(probe->status), strlen(target) < 60 ? target : "the page", status_note(probe));
    hint_status(check, probe->status, finding);
    if (leads_nowhere(probe))
        finding_hint(finding, "let the redirect name where to go, or answer with a page");
    finding->took = probe->first_byte_took;
    finding_fact(finding, "status", json_integer(probe->status));
    finding_fact(finding, "version", json_string(version_text(probe->version)));
    if (probe->server) {
        scoped(mem_release) char *server = escape(probe->server);
        finding_fact(finding, "server", json_string(server));
    }
    return finding;
}

static struct finding *add_failure(const struct probe *probe, struct findings *findings)
{
    const char *what;

    switch (probe->end) {
    case PROBE_TIMEOUT:
        what = probe->path.disordered
                   ? "TLS is fine, then large packets are lost on the way (an MTU "
                     "black hole): later parts of the answer come, earlier ones "
                     "never"
               : probe->received > 0 && probe->first_byte_took >= 0
                   ? "the answer begins, but its header does not end in time (a tarpit, or an "
                     "overloaded server)"
                   : "TLS is fine, then no answer to the request comes";
        break;
    case PROBE_CLOSED:
        what = "TLS is fine, then the connection is closed without an answer to the request";
        break;
    case PROBE_RESET:
        what = "TLS is fine, then the connection is broken off without an answer to the request";
        break;
    case PROBE_FLOOD:
        what = "answers with a header without end";
        break;
    case PROBE_GARBAGE:
        what = "answers over TLS with something that is not HTTP";
        break;
    case PROBE_ALERT:
        what = "ends TLS with an alert instead of answering the request";
        break;
    default:
        what = "cannot be understood";
        break;
    }
    struct finding *finding = findings_add(findings, FINDING_BAD, "http", "%s", what);
    finding_hint(finding,
                 probe->end == PROBE_GARBAGE
                     ? "another service than a web server is behind this port; see on the "
                       "machine which (`ss -ltnp`)"
                     : "look into the log of the server, and of the application behind it");
    if (probe->end == PROBE_TIMEOUT && probe->path.disordered)
        finding_hint(finding, "let ICMP \"fragmentation needed\" and ICMPv6 \"packet too big\" "
                              "through, or clamp the MSS on the router in front of the server");
    if (probe->end == PROBE_ALERT && probe->tls->asked)
        finding_hint(finding, "%s", JUDGE_HINT_CLIENT_CERTIFICATE);
    return finding;
}

/* ---- redirects ---- */

static void judge_stopped_hop(const struct hop *hop, int status, const char *location,
                              struct findings *findings)
{
    struct finding *finding =
        hop->refused ? findings_add(findings, hop->elsewhere ? FINDING_NOTE : FINDING_BAD,
                                    "redirect", "%d leads to %s, which is not followed: %s", status,
                                    location, hop->refused)
                     : findings_add(findings, FINDING_BAD, "redirect",
                                    "%d leads to %s, which does not answer", status, location);

    if (!hop->elsewhere)
        finding_hint(finding, "correct where the server redirects to");
}

static void judge_followed_hop(const struct check *check, const struct hop *hop, int status,
                               const char *location, struct findings *findings)
{
    const struct probe *probe = &hop->probe;
    struct finding *finding = findings_add(findings,
                                           leads_nowhere(probe) ? FINDING_BAD
                                           : hop->https         ? grade_of(probe->status)
                                                                : FINDING_WARNING,
                                           "redirect", "%d leads to %s, which answers %d%s%s",
                                           status, location, probe->status, status_note(probe),
                                           hop->https ? "" : ", away from HTTPS to plain HTTP");

    finding->took = probe->first_byte_took;
    if (hop->https)
        hint_status(check, probe->status, finding);
    else
        finding_hint(finding, "redirect to https:// addresses");
}

static void judge_hops(const struct check *check, struct check_result *result)
{
    struct findings *findings = &result->findings;
    const struct probe *from = endpoint_answer(check->first);

    for (size_t i = 0; i < check->hop_count; i++) {
        const struct hop *hop = &check->hops[i];
        scoped(mem_release) char *location = escape(from->location ? from->location : "");
        if (hop->refused || hop->probe.end != PROBE_DONE || !hop->probe.done)
            judge_stopped_hop(hop, from->status, location, findings);
        else
            judge_followed_hop(check, hop, from->status, location, findings);
        judge_hop_certificate(check, hop, result);
        from = &hop->probe;
    }
}

/* ---- HSTS ---- */

/* The value of a directive; ptr is NULL when absent. RFC 6797 section 6.1 */
static struct span directive(const char *field, const char *name)
{
    struct span rest = span_str(field), part;

    while (span_next(&rest, ';', &part)) {
        struct span key = span_trim(part), value = SPAN("");
        ptrdiff_t equals = span_find(key, '=');
        if (equals >= 0) {
            value = span_trim(span_from(key, (size_t)equals + 1));
            key = span_trim(span_of(key.ptr, (size_t)equals));
        }
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = span_of(value.ptr + 1, value.len - 2);
        if (span_equal_nocase(key, span_str(name)))
            return value;
    }
    return (struct span){0};
}

static bool is_localhost(const char *host)
{
    return span_equal(span_str(host), SPAN("localhost")) ||
           span_ends(span_str(host), SPAN(".localhost"));
}

static void judge_hsts(const struct check *check, const struct probe *probe,
                       struct check_result *result)
{
    struct finding *finding;
    uint64_t age = 0;

    result->metrics.hsts = 0;
    /* RFC 6797 section 8.1.1: not for addresses; and names of this machine are no one's for good.
     */
    if (check->options->target->is_ip || is_localhost(check->options->target->host))
        return;
    if (!probe->hsts) {
        finding = findings_add(&result->findings, FINDING_NOTE, "hsts",
                               "no HSTS: a first visit without https:// may go over plain HTTP");
        finding_hint(finding, "once HTTPS is there to stay, send: Strict-Transport-Security: "
                              "max-age=31536000");
        return;
    }
    if (span_to_uint(directive(probe->hsts, "max-age"), &age) < 0) {
        finding = findings_add(&result->findings, FINDING_WARNING, "hsts",
                               "the field has no valid max-age, so browsers ignore it");
        finding_hint(finding, "send: Strict-Transport-Security: max-age=31536000");
        return;
    }
    result->metrics.hsts = age > 0;
    bool subdomains = directive(probe->hsts, "includeSubDomains").ptr != NULL;
    bool preload = directive(probe->hsts, "preload").ptr != NULL;
    bool preloadable = preload && subdomains && age >= PRELOAD_AGE;
    bool half = preload && !preloadable;
    finding = findings_add(&result->findings,
                           half                ? FINDING_WARNING
                           : age < HALF_A_YEAR ? FINDING_NOTE
                                               : FINDING_GOOD,
                           "hsts", "browsers keep to HTTPS for %llu days%s%s",
                           (unsigned long long)(age / 86400), subdomains ? ", subdomains too" : "",
                           preloadable ? ", and may be built to (preload)"
                           : half      ? "; it asks for preload, but does not fulfil its conditions"
                                       : "");
    finding_fact(finding, "max_age", json_integer((json_int_t)age));
    if (half)
        finding_hint(finding,
                     "for preload send max-age of at least 31536000 and includeSubDomains");
    else if (age < HALF_A_YEAR)
        finding_hint(finding, "once all works, raise max-age to 31536000");
}

/* ---- port 80 ---- */

static struct finding *plain_answer(const struct check *check, const struct probe *probe,
                                    struct check_result *result)
{
    struct findings *findings = &result->findings;
    struct target target = {.port = 0};
    struct finding *finding;
    bool https = false;

    int r = probe->status >= 300 && probe->status < 400 && probe->location
                ? follow_parse(probe->location, check->options->target, false, &target, &https)
                : ERR_NOT_FOUND;
    scoped(mem_release) char *location = escape(probe->location ? probe->location : "");
    if (result->metrics.redirect80 != 0)
        result->metrics.redirect80 = r == 0 && https;
    if (r == 0 && https) {
        finding = findings_add(findings, FINDING_GOOD, "port-80", "redirects to HTTPS: %d to %s",
                               probe->status, location);
    } else if (probe->status < 300) {
        finding = findings_add(findings, FINDING_WARNING, "port-80",
                               "serves pages over plain HTTP instead of redirecting to HTTPS");
        finding_hint(finding, "redirect all of port 80 to https://");
    } else if (r == 0) {
        finding = findings_add(findings, FINDING_NOTE, "port-80", "answers %d to %s, not to HTTPS",
                               probe->status, location);
        finding_hint(finding, "redirect to https:// at once");
    } else {
        finding = findings_add(findings, FINDING_NOTE, "port-80", "answers %d (%s)", probe->status,
                               http_reason(probe->status));
        finding_hint(finding, "let port 80 redirect to https://");
    }
    target_finish(&target);
    return finding;
}

static bool port80_alike(const struct probe *a, const struct probe *b)
{
    bool closed = a->end != PROBE_DONE && b->end != PROBE_DONE;

    return closed || (a->end == b->end && a->status == b->status &&
                      (a->location != NULL) == (b->location != NULL) &&
                      (!a->location || strcmp(a->location, b->location) == 0));
}

static void judge_port80(const struct check *check, struct check_result *result)
{
    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        const struct probe *probe = &endpoint->port80;
        struct finding *finding;
        char ip[ADDRESS_TEXT];
        bool told = !endpoint->has_port80 || endpoint->main.end == PROBE_NO_ROUTE ||
                    (probe->end != PROBE_DONE && !endpoint_is_open(endpoint));
        for (size_t k = 0; k < i && !told; k++)
            told =
                check->endpoints[k].has_port80 && port80_alike(&check->endpoints[k].port80, probe);
        if (told)
            continue;
        if (probe->end == PROBE_DONE) {
            finding = plain_answer(check, probe, result);
            finding->took = probe->first_byte_took;
        } else {
            result->metrics.redirect80 = 0;
            finding = findings_add(&result->findings, FINDING_NOTE, "port-80",
                                   "nothing answers on port 80: old links with http:// do not get "
                                   "through");
            finding_hint(finding, "let the server listen on port 80 and redirect to https://");
        }
        finding_subject(finding, "%s", address_ip_text(&endpoint->address, ip));
    }
}

/* ---- all of it ---- */

static bool answers_alike(const struct probe *a, const struct probe *b)
{
    return a->end == b->end && a->stage == b->stage && a->status == b->status &&
           a->version == b->version;
}

static bool asked_http(const struct endpoint *endpoint)
{
    return endpoint_answer(endpoint)->stage == PROBE_HTTP;
}

static char *answer_subject(const struct check *check, const struct endpoint *endpoint)
{
    char text[ADDRESS_TEXT];

    for (size_t i = 0; i < check->endpoint_count; i++)
        if (asked_http(&check->endpoints[i]) &&
            !answers_alike(endpoint_answer(&check->endpoints[i]), endpoint_answer(endpoint)))
            return mem_string(span_str(address_text(&endpoint->address, text)));
    return target_authority(check->options->target, TARGET_PORT);
}

void judge_http(const struct check *check, struct check_result *result)
{
    const struct endpoint *open = check_open_endpoint(check);

    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        const struct probe *probe = endpoint_answer(endpoint);
        bool told = !asked_http(endpoint);
        for (size_t k = 0; k < i && !told; k++)
            told = asked_http(&check->endpoints[k]) &&
                   answers_alike(endpoint_answer(&check->endpoints[k]), probe);
        if (told)
            continue;
        scoped(mem_release) char *subject = answer_subject(check, endpoint);
        struct finding *finding = probe->end == PROBE_DONE
                                      ? add_answer(check, probe, &result->findings)
                                      : add_failure(probe, &result->findings);
        finding_subject(finding, "%s", subject);
        if (probe->end == PROBE_DONE)
            note_oddities(probe, &result->findings);
    }
    if (open) {
        result->metrics.status = endpoint_answer(open)->status;
        result->metrics.http = endpoint_answer(open)->version;
        judge_hops(check, result);
        judge_hsts(check, endpoint_answer(open), result);
    }
    judge_port80(check, result);
}
