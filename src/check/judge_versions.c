/* HTTP/2: what is agreed on against what answers; and how long a probe takes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check/internal.h"
#include "tls/tls.h"

static void judge_http2(const struct check *check, struct check_result *result)
{
    bool any = false, agreed = false;

    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        const struct probe *main = &endpoint->main;
        if (main->tls_took < 0)
            continue;
        any = any || endpoint_is_open(endpoint);
        bool h2 = strcmp(main->tls->alpn, "h2") == 0;
        agreed = agreed || (h2 && main->end == PROBE_DONE);
        if (!h2 || main->end == PROBE_DONE || !endpoint_is_open(endpoint))
            continue;
        char text[ADDRESS_TEXT];
        struct finding *finding = findings_add(
            &result->findings, FINDING_BAD, "http2",
            "TLS agrees on HTTP/2, but requests fail over it; over HTTP/1.1 they work");
        finding_subject(finding, "%s", address_text(&endpoint->address, text));
        finding_hint(finding, "take h2 out of the server's ALPN, or update the server or the proxy "
                              "in front of it");
    }
    if (agreed)
        findings_add(&result->findings, FINDING_GOOD, "http2",
                     "agreed on by TLS (ALPN h2), and requests are answered over it");
    else if (any)
        finding_hint(findings_add(&result->findings, FINDING_NOTE, "http2",
                                  "not offered: browsers take HTTP/1.1, slower for pages of many "
                                  "parts"),
                     "switch HTTP/2 on in the server's settings");
}

static void judge_speed(const struct check *check, struct check_result *result)
{
    const struct endpoint *endpoint = check_open_endpoint(check);

    if (!endpoint)
        return;
    const struct probe *answer = endpoint_answer(endpoint);
    nsec_t names = check->options->target->is_ip || check->names.pinned ? 0 : check->names.took;
    nsec_t total = names + answer->tcp_took + answer->tls_took + answer->first_byte_took;
    struct finding *finding = findings_add(
        &result->findings, FINDING_NOTE, "speed",
        "first byte after %.1f ms: name %.1f, TCP %.1f, TLS %.1f, answer %.1f; a round trip takes "
        "%.1f ms",
        (double)total / 1e6, (double)names / 1e6, (double)answer->tcp_took / 1e6,
        (double)answer->tls_took / 1e6, (double)answer->first_byte_took / 1e6,
        (double)answer->path.rtt / 1e6);
    if (answer->path.retransmits)
        finding_fact(finding, "retransmits", json_integer(answer->path.retransmits));
    finding_fact(finding, "first_byte_milliseconds", milliseconds_json(total));
    finding_fact(finding, "rtt_milliseconds", milliseconds_json(answer->path.rtt));
    result->metrics.time = total;
    result->metrics.rtt = answer->path.rtt;
}

void judge_versions(const struct check *check, struct check_result *result)
{
    judge_http2(check, result);
    judge_http3(check, result);
    judge_speed(check, result);
}
