/* Starts the looks, each as soon as what it needs is known, and waits for all of them:
 *
 *   names -> every address: TCP, TLS, HTTP | port 80 | QUIC, at once
 *            the first that answers: a second connection (resumption), redirects
 *            TLS that fails or stalls: plain HTTP, and TLS in small segments */
#include <stdlib.h>

#include "base/mem.h"
#include "check/internal.h"

#define TICK (50 * NSEC_PER_MSEC)
#define QUIC_GRACE                                                                                 \
    (600 * NSEC_PER_MSEC) /* for HTTP/3 that nobody promised, once all else is done */

#define AUTHORITY_GRACE (2 * NSEC_PER_SEC)

static nsec_t share(const struct check *check, int percent)
{
    return check->options->timeout / 100 * percent;
}

static struct visit_request request_of(struct check *check, const struct door *door)
{
    return (struct visit_request){.loop = check->loop,
                                  .tls = check->tls,
                                  .address = door->address,
                                  .server_name = check->server_name,
                                  .authority = check->authority,
                                  .path = check->options->target->path,
                                  .last = VISIT_HTTP,
                                  .connect_patience = share(check, 50),
                                  .deadline = check->deadline};
}

static void on_visit(struct visit *visit, void *context)
{
    const struct check *check = context;

    (void)visit;
    loop_hurry(check->loop);
}

/* ---- what follows from how the first visits ended; each round looks ---- */

static void start_again(struct check *check, const struct door *door)
{
    struct visit_request request = request_of(check, door);

    request.last = VISIT_TLS;
    request.resume = door->main.ticket;
    check->has_again = true;
    visit_start(&check->again, &request, on_visit, check);
}

/* TLS failed, or nothing comes: is it plain HTTP, or do large packets get lost? */
static void start_rescue(struct check *check, struct door *door, bool stalls)
{
    struct visit_request request = request_of(check, door);

    door->rescued = true;
    request.tls = NULL;
    visit_start(&door->plain, &request, on_visit, check);
    if (!stalls)
        return;
    request = request_of(check, door);
    request.mss = door->mss = SMALL_SEGMENT;
    request.last = VISIT_TLS;
    visit_start(&door->small, &request, on_visit, check);
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

    if (check->revocation_chain || !options->ask_authority || !visit->tls_described ||
        visit->tls.stapled || visit->tls.chain.len == 0)
        return;
    check->revocation_chain = mem_string(buffer_span(&visit->tls.chain));
    revocation_start(&check->revocation, check->loop, span_str(check->revocation_chain),
                     options->local_ca, options->wall);
}

/* Its authority's word is waited for a little when all else is done. */
static bool authority_over(const struct check *check, nsec_t now)
{
    const struct revocation *revocation = &check->revocation;

    return !revocation->begun || revocation->done || now - revocation->started > AUTHORITY_GRACE;
}

static void look_at_door(struct check *check, struct door *door, nsec_t now)
{
    struct visit *main = &door->main;
    bool stalls = visit_is_in_handshake(main) &&
                  now - check->begun - check->names.took - main->tcp_took > share(check, 20);

    if (!door->rescued && (stalls || failed_in_tls(main)))
        start_rescue(check, door, stalls);
    bool h2 = main->tls_described && strcmp(main->tls.alpn, "h2") == 0;
    if (!door->old.run && h2 && main->done && main->stage == VISIT_HTTP &&
        main->end != VISIT_DONE) {
        struct visit_request request = request_of(check, door);
        request.alpn = TLS_CLIENT_HTTP_1;
        visit_start(&door->old, &request, on_visit, check);
    }
    ask_authority(check, main);
    if (check->first || !door_is_open(door))
        return;
    check->first = door;
    if (main->ticket)
        start_again(check, door);
    follow_start(check, door_answer(door));
}

static bool visit_over(const struct visit *visit)
{
    return !visit->run || visit->done;
}

static bool door_over(const struct door *door)
{
    return visit_over(&door->main) && visit_over(&door->old) && visit_over(&door->plain) &&
           visit_over(&door->small) && visit_over(&door->port80);
}

/* HTTP/3 that is promised gets all the time that there is. */
static void hurry_quic(struct check *check, nsec_t now)
{
    bool promised = false;

    for (size_t i = 0; i < check->door_count; i++) {
        const char *said = check->doors[i].main.alt_svc;
        promised = promised || (said && strstr(said, "h3"));
    }
    const struct dns_https *https = names_https(&check->names);
    for (size_t i = 0; https && i < https->alpn_count; i++)
        promised = promised || strcmp(https->alpn[i], "h3") == 0;
    for (size_t i = 0; !promised && i < check->door_count; i++)
        if (check->doors[i].has_quic && now - check->doors[i].quic.started > QUIC_GRACE)
            quic_probe_stop(&check->doors[i].quic);
}

static void on_round(void *context)
{
    struct check *check = context;
    nsec_t now = nsec_monotonic();
    bool over = names_done(&check->names), quic_over = true;

    for (size_t i = 0; i < check->door_count; i++) {
        struct door *door = &check->doors[i];
        look_at_door(check, door, now);
        over = over && door_over(door);
        quic_over = quic_over && (!door->has_quic || door->quic.done);
    }
    over = over && visit_over(&check->again) && follow_done(check);
    if (over && !quic_over)
        hurry_quic(check, now);
    if (over && quic_over && authority_over(check, now))
        loop_stop(check->loop);
}

static void on_tick(struct loop_timer *timer, nsec_t now)
{
    struct check *check = container_of(timer, struct check, tick);

    if (now > check->deadline + 200 * NSEC_PER_MSEC)
        loop_stop(check->loop); /* whatever is still under way has had its time */
    else
        loop_timer_set(check->loop, timer, now + TICK);
}

/* ---- the beginning ---- */

static void open_door(struct check *check, struct door *door)
{
    struct visit_request request = request_of(check, door);
    nsec_t quic_until = nsec_monotonic() + 2 * NSEC_PER_SEC;

    visit_start(&door->main, &request, on_visit, check);
    door->has_quic = true;
    quic_probe_start(&door->quic, check->loop, &door->address,
                     quic_until < check->deadline ? quic_until : check->deadline);
    if (!check->on_443)
        return;
    request.tls = NULL;
    request.authority = check->authority80;
    address_set_port(&request.address, 80);
    door->has_port80 = true;
    visit_start(&door->port80, &request, on_visit, check);
}

static void on_addresses(struct names *names)
{
    struct check *check = container_of(names, struct check, names);

    check->doors = mem_zalloc((names->count + 1) * sizeof *check->doors);
    check->door_count = names->count;
    for (size_t i = 0; i < names->count; i++) {
        check->doors[i].address = names->addresses[i].address;
        open_door(check, &check->doors[i]);
    }
    if (names->count == 0)
        check->hops_over = true;
    loop_hurry(check->loop);
}

int looks_run(struct check *check)
{
    const struct check_options *options = check->options;

    int r = loop_create(&check->loop);
    if (r < 0)
        return r;
    r = tls_client_library_create(&check->tls);
    if (r < 0)
        return r;
    check->begun = nsec_monotonic();
    check->deadline = check->begun + options->timeout;
    check->on_443 = options->target->port == TARGET_PORT;
    check->authority = target_authority(options->target, TARGET_PORT);
    check->authority80 = target_authority(options->target, options->target->port);
    check->server_name = options->target->is_ip ? NULL : options->target->host;
    check->names = (struct names){.target = options->target,
                                  .options = options->names,
                                  .loop = check->loop,
                                  .on_addresses = on_addresses};
    check->tick.on_timeout = on_tick;
    loop_on_round(check->loop, on_round, check);
    loop_timer_set(check->loop, &check->tick, check->begun + TICK);
    names_start(&check->names, check->begun + share(check, 45));
    return loop_run(check->loop);
}

void looks_finish(struct check *check)
{
    for (size_t i = 0; i < check->door_count; i++) {
        struct door *door = &check->doors[i];
        visit_finish(&door->main);
        visit_finish(&door->old);
        visit_finish(&door->plain);
        visit_finish(&door->small);
        visit_finish(&door->port80);
        quic_probe_stop(&door->quic);
    }
    visit_finish(&check->again);
    follow_finish(check);
    revocation_finish(&check->revocation);
    if (check->loop)
        names_finish(&check->names);
    free(check->doors);
    free(check->revocation_chain);
    free(check->authority);
    free(check->authority80);
    tls_client_library_destroy(check->tls);
    loop_destroy(check->loop);
}
