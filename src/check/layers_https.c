/* The layers above TCP, with the libraries that they take: TLS, the certificate, HTTP. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "check/layers.h"
#include "check/revocation.h"
#include "tls/tls.h"

/* For the word of the authority, once all else is done. */
#define AUTHORITY_GRACE (2 * NSEC_PER_SEC)

const bool check_sees_https = true;

int layers_begin(struct check *check)
{
    return tls_client_library_create(&check->tls);
}

void layers_finish(struct check *check)
{
    probe_finish(&check->again);
    follow_finish(check);
    if (check->revocation)
        revocation_finish(check->revocation);
    free(check->revocation);
    free(check->revocation_chain);
    tls_client_library_destroy(check->tls);
}

/* ---- what follows from how the first probes ended; each round looks ---- */

static void start_again(struct check *check, const struct endpoint *endpoint)
{
    struct probe_request request = probes_request(check, endpoint);

    request.last = PROBE_TLS;
    request.resume = endpoint->main.ticket;
    check->has_again = true;
    probe_start(&check->again, &request, probes_on_done, check);
}

/* TLS failed, or nothing comes: is it plain HTTP, or do large packets get lost? */
static void start_rescue(struct check *check, struct endpoint *endpoint, bool stalls)
{
    struct probe_request request = probes_request(check, endpoint);

    endpoint->rescued = true;
    request.tls = NULL;
    probe_start(&endpoint->plain, &request, probes_on_done, check);
    if (!stalls)
        return;
    request = probes_request(check, endpoint);
    request.mss = endpoint->mss = SMALL_SEGMENT;
    request.last = PROBE_TLS;
    probe_start(&endpoint->small, &request, probes_on_done, check);
}

static bool failed_in_tls(const struct probe *probe)
{
    return probe->done && probe->stage == PROBE_TLS && probe->end != PROBE_DONE &&
           probe->end != PROBE_ALERT && probe->end != PROBE_PLAIN;
}

/* Of the first certificate that is seen, unless its server has the answer stapled to it. */
static void ask_authority(struct check *check, const struct probe *probe)
{
    const struct check_options *options = check->options;

    if (check->revocation_chain || !options->ask_authority || !probe->tls || probe->tls->stapled ||
        probe->tls->chain.len == 0)
        return;
    check->revocation_chain = mem_string(buffer_span(&probe->tls->chain));
    check->revocation = mem_new(struct revocation);
    revocation_start(check->revocation, check->loop, span_str(check->revocation_chain),
                     options->local_ca, options->wall);
}

static bool authority_over(const struct check *check, nsec_t now)
{
    const struct revocation *revocation = check->revocation;

    return !revocation || !revocation->begun || revocation->done ||
           now - revocation->started > AUTHORITY_GRACE;
}

void layers_probe(struct check *check, struct endpoint *endpoint, nsec_t now)
{
    struct probe *main = &endpoint->main;
    bool stalls = probe_is_in_handshake(main) &&
                  now - check->begun - check->names.took - main->tcp_took > probes_share(check, 20);

    if (!endpoint->rescued && (stalls || failed_in_tls(main)))
        start_rescue(check, endpoint, stalls);
    bool h2 = main->tls && strcmp(main->tls->alpn, "h2") == 0;
    if (!endpoint->old.run && h2 && main->done && main->stage == PROBE_HTTP &&
        main->end != PROBE_DONE) {
        struct probe_request request = probes_request(check, endpoint);
        request.alpn = TLS_CLIENT_HTTP_1;
        probe_start(&endpoint->old, &request, probes_on_done, check);
    }
    ask_authority(check, main);
    if (check->first || !endpoint_is_open(endpoint))
        return;
    check->first = endpoint;
    if (main->ticket)
        start_again(check, endpoint);
    follow_start(check, endpoint_answer(endpoint));
}

bool layers_over(const struct check *check, nsec_t now)
{
    return probe_is_over(&check->again) && follow_done(check) && authority_over(check, now);
}

/* ---- what it comes to ---- */

void layers_judge(const struct check *check, struct check_result *result)
{
    judge_tls(check, result);
    judge_http(check, result);
    judge_versions(check, result);
}

char *layers_site(const struct check *check)
{
    scoped(mem_release) char *site = target_authority(check->options->target, TARGET_PORT);

    return mem_format("https://%s", site);
}

const char *layers_deed(bool one)
{
    return one ? "answers" : "answer";
}
