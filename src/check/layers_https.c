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
    visit_finish(&check->again);
    follow_finish(check);
    if (check->revocation)
        revocation_finish(check->revocation);
    free(check->revocation);
    free(check->revocation_chain);
    tls_client_library_destroy(check->tls);
}

/* ---- what follows from how the first visits ended; each round looks ---- */

static void start_again(struct check *check, const struct door *door)
{
    struct visit_request request = looks_request(check, door);

    request.last = VISIT_TLS;
    request.resume = door->main.ticket;
    check->has_again = true;
    visit_start(&check->again, &request, looks_on_visit, check);
}

/* TLS failed, or nothing comes: is it plain HTTP, or do large packets get lost? */
static void start_rescue(struct check *check, struct door *door, bool stalls)
{
    struct visit_request request = looks_request(check, door);

    door->rescued = true;
    request.tls = NULL;
    visit_start(&door->plain, &request, looks_on_visit, check);
    if (!stalls)
        return;
    request = looks_request(check, door);
    request.mss = door->mss = SMALL_SEGMENT;
    request.last = VISIT_TLS;
    visit_start(&door->small, &request, looks_on_visit, check);
}

static bool failed_in_tls(const struct visit *visit)
{
    return visit->done && visit->stage == VISIT_TLS && visit->end != VISIT_DONE &&
           visit->end != VISIT_ALERT && visit->end != VISIT_PLAIN;
}

/* Of the first certificate that is seen, unless its server has the answer stapled to it. */
static void ask_authority(struct check *check, const struct visit *visit)
{
    const struct check_options *options = check->options;

    if (check->revocation_chain || !options->ask_authority || !visit->tls || visit->tls->stapled ||
        visit->tls->chain.len == 0)
        return;
    check->revocation_chain = mem_string(buffer_span(&visit->tls->chain));
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

void layers_look(struct check *check, struct door *door, nsec_t now)
{
    struct visit *main = &door->main;
    bool stalls = visit_is_in_handshake(main) &&
                  now - check->begun - check->names.took - main->tcp_took > looks_share(check, 20);

    if (!door->rescued && (stalls || failed_in_tls(main)))
        start_rescue(check, door, stalls);
    bool h2 = main->tls && strcmp(main->tls->alpn, "h2") == 0;
    if (!door->old.run && h2 && main->done && main->stage == VISIT_HTTP &&
        main->end != VISIT_DONE) {
        struct visit_request request = looks_request(check, door);
        request.alpn = TLS_CLIENT_HTTP_1;
        visit_start(&door->old, &request, looks_on_visit, check);
    }
    ask_authority(check, main);
    if (check->first || !door_is_open(door))
        return;
    check->first = door;
    if (main->ticket)
        start_again(check, door);
    follow_start(check, door_answer(door));
}

bool layers_over(const struct check *check, nsec_t now)
{
    return visit_is_over(&check->again) && follow_done(check) && authority_over(check, now);
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
