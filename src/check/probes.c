/* Starts the probes, each as soon as what it needs is known, and waits for all of them:
 *
 *   names -> every address: TCP and what is above it | port 80 | QUIC, at once
 *            and what layers_probe() adds to the probes, as they come along */
#include <stdlib.h>

#include "base/mem.h"
#include "check/layers.h"

#define TICK (50 * NSEC_PER_MSEC)
#define QUIC_GRACE                                                                                 \
    (600 * NSEC_PER_MSEC) /* for HTTP/3 that nobody promised, once all else is done */

nsec_t probes_share(const struct check *check, int percent)
{
    return check->options->timeout / 100 * percent;
}

struct probe_request probes_request(struct check *check, const struct endpoint *endpoint)
{
    return (struct probe_request){.loop = check->loop,
                                  .tls = check->tls,
                                  .address = endpoint->address,
                                  .server_name = check->server_name,
                                  .authority = check->authority,
                                  .path = check->options->target->path,
                                  .last = PROBE_HTTP,
                                  .connect_patience = probes_share(check, 50),
                                  .deadline = check->deadline};
}

void probes_on_done(struct probe *probe, void *context)
{
    const struct check *check = context;

    (void)probe;
    loop_hurry(check->loop);
}

static bool endpoint_over(const struct endpoint *endpoint)
{
    return probe_is_over(&endpoint->main) && probe_is_over(&endpoint->old) &&
           probe_is_over(&endpoint->plain) && probe_is_over(&endpoint->small) &&
           probe_is_over(&endpoint->port80);
}

/* HTTP/3 that is promised gets all the time that there is. */
static void hurry_quic(struct check *check, nsec_t now)
{
    bool promised = false;

    for (size_t i = 0; i < check->endpoint_count; i++) {
        const char *said = check->endpoints[i].main.alt_svc;
        promised = promised || (said && strstr(said, "h3"));
    }
    const struct dns_https *https = names_https(&check->names);
    for (size_t i = 0; https && i < https->alpn_count; i++)
        promised = promised || strcmp(https->alpn[i], "h3") == 0;
    for (size_t i = 0; !promised && i < check->endpoint_count; i++)
        if (check->endpoints[i].has_quic && now - check->endpoints[i].quic.started > QUIC_GRACE)
            quic_probe_stop(&check->endpoints[i].quic);
}

static void on_round(void *context)
{
    struct check *check = context;
    nsec_t now = nsec_monotonic();
    bool over = names_done(&check->names), quic_over = true;

    for (size_t i = 0; i < check->endpoint_count; i++) {
        struct endpoint *endpoint = &check->endpoints[i];
        layers_probe(check, endpoint, now);
        over = over && endpoint_over(endpoint);
        quic_over = quic_over && (!endpoint->has_quic || endpoint->quic.done);
    }
    over = over && layers_over(check, now);
    if (over && !quic_over)
        hurry_quic(check, now);
    if (over && quic_over)
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

static void start_endpoint(struct check *check, struct endpoint *endpoint)
{
    struct probe_request request = probes_request(check, endpoint);
    nsec_t quic_until = nsec_monotonic() + 2 * NSEC_PER_SEC;

    probe_start(&endpoint->main, &request, probes_on_done, check);
    endpoint->has_quic = true;
    quic_probe_start(&endpoint->quic, check->loop, &endpoint->address,
                     quic_until < check->deadline ? quic_until : check->deadline);
    if (!check->on_443)
        return;
    request.tls = NULL;
    request.last = check_sees_https ? PROBE_HTTP : PROBE_TCP;
    request.authority = check->authority80;
    address_set_port(&request.address, 80);
    endpoint->has_port80 = true;
    probe_start(&endpoint->port80, &request, probes_on_done, check);
}

static void on_addresses(struct names *names)
{
    struct check *check = container_of(names, struct check, names);

    check->endpoints = mem_zalloc((names->count + 1) * sizeof *check->endpoints);
    check->endpoint_count = names->count;
    for (size_t i = 0; i < names->count; i++) {
        check->endpoints[i].address = names->addresses[i].address;
        start_endpoint(check, &check->endpoints[i]);
    }
    if (names->count == 0)
        check->hops_over = true;
    loop_hurry(check->loop);
}

int probes_run(struct check *check)
{
    const struct check_options *options = check->options;

    int r = loop_create(&check->loop);
    if (r < 0)
        return r;
    r = layers_begin(check);
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
    names_start(&check->names, check->begun + probes_share(check, 45));
    return loop_run(check->loop);
}

void probes_finish(struct check *check)
{
    for (size_t i = 0; i < check->endpoint_count; i++) {
        struct endpoint *endpoint = &check->endpoints[i];
        probe_finish(&endpoint->main);
        probe_finish(&endpoint->old);
        probe_finish(&endpoint->plain);
        probe_finish(&endpoint->small);
        probe_finish(&endpoint->port80);
        quic_probe_stop(&endpoint->quic);
    }
    if (check->loop)
        names_finish(&check->names);
    free(check->endpoints);
    free(check->authority);
    free(check->authority80);
    layers_finish(check);
    loop_destroy(check->loop);
}
