/* Starts the looks, each as soon as what it needs is known, and waits for all of them:
 *
 *   names -> every address: TCP and what is above it | port 80 | QUIC, at once
 *            and what layers_look() adds to the visits, as they come along */
#include <stdlib.h>

#include "base/mem.h"
#include "check/layers.h"

#define TICK (50 * NSEC_PER_MSEC)
#define QUIC_GRACE                                                                                 \
    (600 * NSEC_PER_MSEC) /* for HTTP/3 that nobody promised, once all else is done */

nsec_t looks_share(const struct check *check, int percent)
{
    return check->options->timeout / 100 * percent;
}

struct visit_request looks_request(struct check *check, const struct door *door)
{
    return (struct visit_request){.loop = check->loop,
                                  .tls = check->tls,
                                  .address = door->address,
                                  .server_name = check->server_name,
                                  .authority = check->authority,
                                  .path = check->options->target->path,
                                  .last = VISIT_HTTP,
                                  .connect_patience = looks_share(check, 50),
                                  .deadline = check->deadline};
}

void looks_on_visit(struct visit *visit, void *context)
{
    const struct check *check = context;

    (void)visit;
    loop_hurry(check->loop);
}

static bool door_over(const struct door *door)
{
    return visit_is_over(&door->main) && visit_is_over(&door->old) && visit_is_over(&door->plain) &&
           visit_is_over(&door->small) && visit_is_over(&door->port80);
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
        layers_look(check, door, now);
        over = over && door_over(door);
        quic_over = quic_over && (!door->has_quic || door->quic.done);
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

static void open_door(struct check *check, struct door *door)
{
    struct visit_request request = looks_request(check, door);
    nsec_t quic_until = nsec_monotonic() + 2 * NSEC_PER_SEC;

    visit_start(&door->main, &request, looks_on_visit, check);
    door->has_quic = true;
    quic_probe_start(&door->quic, check->loop, &door->address,
                     quic_until < check->deadline ? quic_until : check->deadline);
    if (!check->on_443)
        return;
    request.tls = NULL;
    request.last = check_sees_https ? VISIT_HTTP : VISIT_TCP;
    request.authority = check->authority80;
    address_set_port(&request.address, 80);
    door->has_port80 = true;
    visit_start(&door->port80, &request, looks_on_visit, check);
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
    names_start(&check->names, check->begun + looks_share(check, 45));
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
    if (check->loop)
        names_finish(&check->names);
    free(check->doors);
    free(check->authority);
    free(check->authority80);
    layers_finish(check);
    loop_destroy(check->loop);
}
