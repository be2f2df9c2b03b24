/* HTTP/3: what is promised against what answers by UDP. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check/internal.h"

/* Does an Alt-Svc field (RFC 7838) promise HTTP/3 on this very port? */
static bool alt_svc_promises(const char *field, uint16_t port)
{
    scoped(mem_release) char *wanted = mem_format("h3=\":%u\"", port);

    return field && strstr(field, wanted);
}

static bool record_promises(const struct dns_https *https)
{
    for (size_t i = 0; https && i < https->alpn_count; i++)
        if (strcmp(https->alpn[i], "h3") == 0)
            return true;
    return false;
}

static char *versions_text(const struct quic_probe *probe)
{
    bool v1 = false, v2 = false, other = false;

    for (size_t i = 0; i < probe->version_count; i++) {
        uint32_t version = probe->versions[i];
        v1 = v1 || version == 1;
        v2 = v2 || version == 0x6b3343cf; /* RFC 9369 */
        other = other || (version >> 8 == 0xff0000 && version != 1);
    }
    return mem_format("%s%s%s",
                      v1      ? "QUIC version 1"
                      : other ? "drafts of QUIC"
                              : "unknown versions",
                      v2 ? " and 2" : "", v1 && other ? " and drafts" : "");
}

static const char *silence_text(const struct quic_probe *probe)
{
    return probe->end == QUIC_REFUSED    ? "is refused"
           : probe->end == QUIC_NONSENSE ? "is answered with something else"
                                         : "is silent";
}

/* One of the addresses that accept TCP. @return whether HTTP/3 answers there */
static bool judge_quic(const struct endpoint *endpoint, const char *promise, bool only_one,
                       struct findings *findings)
{
    const struct quic_probe *probe = &endpoint->quic;
    unsigned port = socket_address_port(&endpoint->address);
    struct finding *finding;
    char text[ADDRESS_TEXT];

    if (probe->end == QUIC_ANSWERED) {
        scoped(mem_release) char *versions = versions_text(probe);
        finding = findings_add(findings, promise ? FINDING_GOOD : FINDING_NOTE, "http3",
                               promise ? "answers on UDP port %u: %s"
                               : check_sees_https
                                   ? "answers on UDP port %u (%s), but neither Alt-Svc nor an "
                                     "HTTPS record tells browsers"
                                   : "answers on UDP port %u (%s); no HTTPS record tells "
                                     "browsers, and Alt-Svc is not looked at here",
                               port, versions);
        if (!promise && check_sees_https)
            finding_hint(finding, "send: Alt-Svc: h3=\":%u\"; ma=86400", port);
        finding->took = probe->took;
    } else if (promise) {
        finding = findings_add(findings, FINDING_WARNING, "http3",
                               "%s promises HTTP/3, but UDP port %u %s: browsers try it in vain",
                               promise, port, silence_text(probe));
        finding_hint(finding,
                     "let UDP port %u in (firewall, router, cloud), or take the promise out", port);
    } else if (only_one) {
        finding = findings_add(findings, FINDING_NOTE, "http3", "not offered");
    } else {
        return false;
    }
    if (!only_one || promise || probe->end == QUIC_ANSWERED)
        finding_subject(finding, "%s", address_text(&endpoint->address, text));
    return probe->end == QUIC_ANSWERED;
}

void judge_http3(const struct check *check, struct check_result *result)
{
    bool record = record_promises(names_https(&check->names)), any = false, told = false;

    for (size_t i = 0; i < check->endpoint_count; i++)
        any =
            any || (check->endpoints[i].has_quic && check->endpoints[i].quic.end == QUIC_ANSWERED);
    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        const struct probe *answer = endpoint_answer(endpoint);
        if (!endpoint_is_open(endpoint) || !endpoint->has_quic)
            continue;
        const char *promise = alt_svc_promises(answer->alt_svc, check->options->target->port)
                                  ? "Alt-Svc"
                              : record ? "the HTTPS record"
                                       : NULL;
        bool only = !any && !promise && !told;
        bool answers = judge_quic(endpoint, promise, only, &result->findings);
        told = told || only;
        result->metrics.h3 = answers || result->metrics.h3 == 1;
    }
}
