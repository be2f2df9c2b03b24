/* The layers above TCP in a program without the libraries for them: what a server says unasked, and
 * HTTP/3, whose first packets need no TLS. The rest is named, with who looks at it. */
#include <stdio.h>

#include "base/mem.h"
#include "check/layers.h"

const bool check_sees_https = false;

int layers_begin(struct check *check)
{
    return 0;
}

void layers_finish(struct check *check)
{
}

void layers_probe(struct check *check, struct endpoint *endpoint, nsec_t now)
{
    /* one probe an address says all that is to be had */
}

bool layers_over(const struct check *check, nsec_t now)
{
    return true;
}

/* ---- what it comes to ---- */

/* @return the finding of an endpoint that accepts connections and then did not wait to be asked, or
 * NULL
 */
static struct finding *judge_word(const struct endpoint *endpoint, struct findings *findings)
{
    const struct probe *probe = &endpoint->main;
    struct finding *finding;

    switch (probe->end) {
    case PROBE_CLOSED:
    case PROBE_RESET:
        finding = findings_add(findings, FINDING_BAD, "service",
                               "the connection is accepted and then %s before anything was asked",
                               probe->end == PROBE_RESET ? "broken off (reset)" : "closed");
        finding_hint(finding, "a proxy or port forwarding stands there whose server behind it does "
                              "not run: start that server, or look into the proxy's log");
        return finding;
    case PROBE_BANNER:
        finding =
            findings_add(findings, FINDING_BAD, "service",
                         "another service answers here, not a web server: \"%s\"", probe->banner);
        finding_hint(finding, "give port %u to the web server, and the other service another port",
                     socket_address_port(&endpoint->address));
        return finding;
    case PROBE_PLAIN:
    case PROBE_GARBAGE:
        finding = findings_add(findings, FINDING_BAD, "service",
                               "it sends bytes before anything was asked, as no web server does");
        finding_hint(finding, "see on the machine which program listens there");
        return finding;
    default:
        return NULL;
    }
}

static void name_the_rest(const struct check *check, struct findings *findings)
{
    const struct target *target = check->options->target;
    scoped(mem_release) char *full = target_authority(target, 0);
    scoped(mem_release) char *site = target_authority(target, TARGET_PORT);

    struct finding *finding =
        findings_add(findings, FINDING_NOTE, "layers",
                     "TLS, the certificate, HTTP and redirects are not looked at by the gardien of "
                     "this system");
    finding_hint(finding,
                 "run gardien check %s on a Linux machine, open https://%s in a browser, or run: "
                 "openssl s_client -connect %s%s%s",
                 site, site, full, target->is_ip ? "" : " -servername ",
                 target->is_ip ? "" : target->host);
}

void layers_judge(const struct check *check, struct check_result *result)
{
    const struct endpoint *open = check_open_endpoint(check);
    bool reached = false;
    char text[ADDRESS_TEXT];

    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        if (endpoint->main.tcp_took < 0)
            continue;
        reached = true;
        struct finding *finding = judge_word(endpoint, &result->findings);
        if (finding)
            finding_subject(finding, "%s", address_text(&endpoint->address, text));
    }
    judge_http3(check, result);
    if (open) /* a connection takes a round trip */
        result->metrics.rtt = open->main.path.rtt ? open->main.path.rtt : open->main.tcp_took;
    if (reached)
        name_the_rest(check, &result->findings);
}

char *layers_site(const struct check *check)
{
    return mem_format("port %u of %s", check->options->target->port, check->options->target->host);
}

const char *layers_deed(bool one)
{
    return one ? "accepts connections" : "accept connections";
}
