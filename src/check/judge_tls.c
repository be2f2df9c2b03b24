/* What TLS settled at each address, or what came in its place. Addresses that behave alike are told
 * of once. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "check/internal.h"
#include "tls/tls.h"

/* ---- endpoints that behave alike ---- */

static bool reached_tls(const struct endpoint *endpoint)
{
    return endpoint->main.tcp_took >= 0;
}

static bool same_chain(const struct probe *a, const struct probe *b)
{
    return !a->tls == !b->tls &&
           (!a->tls || span_equal(buffer_span(&a->tls->chain), buffer_span(&b->tls->chain)));
}

static bool alike(const struct endpoint *a, const struct endpoint *b)
{
    const struct probe *x = &a->main, *y = &b->main;

    return x->end == y->end && x->stage == y->stage && same_chain(x, y) &&
           (!x->tls ||
            (x->tls->version == y->tls->version && strcmp(x->tls->alpn, y->tls->alpn) == 0 &&
             x->tls->alert == y->tls->alert)) &&
           endpoint_answer(a)->status == endpoint_answer(b)->status;
}

static bool is_first_of_its_kind(const struct check *check, const struct endpoint *endpoint)
{
    for (const struct endpoint *other = check->endpoints; other < endpoint; other++)
        if (reached_tls(other) && alike(other, endpoint))
            return false;
    return true;
}

char *endpoint_subject(const struct check *check, const struct endpoint *endpoint)
{
    char text[ADDRESS_TEXT];
    size_t same = 0, other = 0;

    for (size_t i = 0; i < check->endpoint_count; i++)
        if (reached_tls(&check->endpoints[i]))
            *(alike(&check->endpoints[i], endpoint) ? &same : &other) += 1;
    if (other == 0)
        return target_authority(check->options->target, TARGET_PORT);
    address_text(&endpoint->address, text);
    if (same == 1)
        return mem_string(span_str(text));
    return mem_format("%s and %zu more", text, same - 1);
}

/* ---- what went wrong ---- */

static void hint_alert(const struct check *check, const struct probe *probe,
                       struct finding *finding)
{
    if (probe->tls->asked) {
        finding_hint(finding, "%s", JUDGE_HINT_CLIENT_CERTIFICATE);
        return;
    }
    switch (probe->tls->alert) {
    case 112: /* unrecognized_name */
        finding_hint(finding,
                     "the server does not know the name %s: add it to the server's "
                     "settings, or correct the DNS record that leads here",
                     check->options->target->host);
        break;
    case 70: /* protocol_version */
    case 40: /* handshake_failure */
    case 71: /* insufficient_security */
        finding_hint(finding,
                     "let the server offer TLS 1.2 or 1.3 with its default cipher suites; a "
                     "server without any certificate says the same");
        break;
    case 80: /* internal_error */
        finding_hint(finding, "look into the server's log: some servers say this for a name that "
                              "they have no certificate for");
        break;
    default:
        finding_hint(finding, "look into the server's log at this time");
        break;
    }
}

/* Did the same port answer plain HTTP? */
static bool is_plain_http(const struct endpoint *endpoint)
{
    return endpoint->main.end == PROBE_PLAIN ||
           (endpoint->plain.done && endpoint->plain.end == PROBE_DONE &&
            endpoint->plain.status != 400);
}

static struct finding *silent(const struct check *check, const struct endpoint *endpoint,
                              struct findings *findings)
{
    bool small = endpoint->small.done && endpoint->small.end == PROBE_DONE;
    double seconds = (double)check->options->timeout / 1e9;
    struct finding *finding;

    if (small) {
        finding = findings_add(findings, FINDING_BAD, "tls",
                               "large packets are lost on the way (an MTU black hole): in segments "
                               "of %u bytes TLS works at once, in full ones it stalls",
                               endpoint->mss);
        finding_hint(finding, "let ICMP \"fragmentation needed\" and ICMPv6 \"packet too big\" "
                              "through, or clamp the MSS to the path's MTU on the router in front "
                              "(nft: tcp option maxseg size set rt mtu)");
    } else if (endpoint->main.received) {
        finding = findings_add(findings, FINDING_BAD, "tls",
                               "TLS began, but was not finished within %.1f s", seconds);
        finding_hint(finding,
                     "the server is overloaded, or holds visitors up on purpose (a tarpit): "
                     "look at its load and its log");
    } else {
        finding = findings_add(
            findings, FINDING_BAD, "tls",
            "the connection is accepted, then nothing comes: no TLS within %.1f s", seconds);
        finding_hint(finding,
                     "the program behind the port is stuck or is no web server; see on the "
                     "machine which one it is (`ss -ltnp`) and restart it");
    }
    return finding;
}

static struct finding *closed(const struct probe *probe, struct findings *findings)
{
    bool reset = probe->end == PROBE_RESET;

    struct finding *finding =
        findings_add(findings, FINDING_BAD, "tls",
                     "the connection is accepted and then %s without a word of TLS",
                     reset ? "broken off (reset)" : "closed");
    finding_hint(finding, "a proxy or port forwarding stands there whose server behind it does not "
                          "run, or a filter that dislikes the name: start the server behind it, or "
                          "look into the proxy's log");
    return finding;
}

static struct finding *add_failure(const struct check *check, const struct endpoint *endpoint,
                                   struct findings *findings)
{
    const struct probe *probe = &endpoint->main;
    struct finding *finding;

    if (is_plain_http(endpoint)) {
        finding = findings_add(findings, FINDING_BAD, "tls",
                               "speaks plain HTTP on port %u, not TLS: browsers show an error",
                               socket_address_port(&endpoint->address));
        finding_hint(finding,
                     "switch TLS on for this port in the server's settings (nginx: `listen "
                     "443 ssl`), with a certificate");
        return finding;
    }
    switch (probe->end) {
    case PROBE_TIMEOUT:
        return silent(check, endpoint, findings);
    case PROBE_CLOSED:
    case PROBE_RESET:
        return closed(probe, findings);
    case PROBE_ALERT:
        finding = findings_add(findings, FINDING_BAD, "tls", "the server refuses the handshake: %s",
                               tls_alert_text(probe->tls->alert));
        finding_fact(finding, "alert", json_integer(probe->tls->alert));
        hint_alert(check, probe, finding);
        return finding;
    case PROBE_BANNER:
        finding =
            findings_add(findings, FINDING_BAD, "tls",
                         "another service answers here, not a web server: \"%s\"", probe->banner);
        finding_hint(finding, "give port %u to the web server, and the other service another port",
                     socket_address_port(&endpoint->address));
        return finding;
    case PROBE_FLOOD:
        finding = findings_add(findings, FINDING_BAD, "tls",
                               "sends bytes without end instead of a TLS handshake");
        finding_hint(finding, "see on the machine which program listens there (`ss -ltnp`)");
        return finding;
    case PROBE_GARBAGE:
        finding = findings_add(findings, FINDING_BAD, "tls",
                               "answers with bytes that are neither TLS nor HTTP");
        finding_hint(finding, "see on the machine which program listens there (`ss -ltnp`)");
        return finding;
    default:
        finding = findings_add(findings, FINDING_BAD, "tls", "the handshake fails: %s",
                               probe->detail ? probe->detail : "the TLS library could not go on");
        finding_hint(finding, "look into the server's log at this time");
        return finding;
    }
}

/* ---- what went well ---- */

static int version_number(const char *version)
{
    return strcmp(version, "TLSv1.3") == 0   ? 13
           : strcmp(version, "TLSv1.2") == 0 ? 12
           : strcmp(version, "TLSv1.1") == 0 ? 11
                                             : 10;
}

static struct finding *add_success(const struct probe *probe, struct findings *findings)
{
    const struct tls_client_facts *tls = probe->tls;
    int version = version_number(tls->version);
    bool old = version < 12;

    struct finding *finding =
        findings_add(findings, old ? FINDING_BAD : FINDING_GOOD, "tls", "%s, %s%s%s%s",
                     tls->version, tls->cipher, *tls->group ? ", " : "", tls->group,
                     old ? ": a version that browsers refuse" : "");
    if (old)
        finding_hint(finding, "switch TLS 1.2 and 1.3 on in the server's settings");
    finding->took = probe->tls_took;
    finding_fact(finding, "version", json_string(tls->version));
    finding_fact(finding, "cipher", json_string(tls->cipher));
    finding_fact(finding, "group", json_string(tls->group));
    finding_fact(finding, "alpn", json_string(tls->alpn));
    return finding;
}

static void judge_resumption(const struct check *check, struct check_result *result)
{
    const struct probe *again = &check->again;

    if (!check->first)
        return;
    bool resumed = check->has_again && again->done && again->end == PROBE_DONE && again->tls &&
                   again->tls->resumed;
    if (!check->has_again || resumed || again->end == PROBE_DONE) {
        result->metrics.resumed = resumed;
        struct finding *finding = findings_add(
            &result->findings, resumed ? FINDING_GOOD : FINDING_NOTE, "resumption",
            resumed            ? "a second connection resumes the first: visitors who come back "
                                 "save time"
            : check->has_again ? "a second connection was not resumed, although a ticket was given"
                               : "no ticket for resumption: each connection shakes hands in full");
        if (resumed)
            finding->took = again->tls_took;
        return;
    }
    struct finding *finding = findings_add(&result->findings, FINDING_WARNING, "resumption",
                                           "a second connection right after the first one failed");
    finding_hint(finding, "look for limits of connections an address, and for fail2ban, at the "
                          "server");
}

void judge_tls(const struct check *check, struct check_result *result)
{
    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        const struct probe *probe = &endpoint->main;
        if (!reached_tls(endpoint) || !is_first_of_its_kind(check, endpoint))
            continue;
        scoped(mem_release) char *subject = endpoint_subject(check, endpoint);
        bool secured = probe->tls_took >= 0;
        struct finding *finding = secured ? add_success(probe, &result->findings)
                                          : add_failure(check, endpoint, &result->findings);
        finding_subject(finding, "%s", subject);
        if (!secured)
            continue;
        if (result->metrics.tls < 0)
            result->metrics.tls = version_number(probe->tls->version);
        judge_certificate(check, endpoint, result);
    }
    judge_resumption(check, result);
}
