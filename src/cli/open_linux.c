/* What opening has on Linux beside the rules: the home router, the provider's firewall in front of
 * the machine, the ports of `gardien serve`. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/open_parts.h"
#include "cli/router.h"

const struct option open_options[] = {
    OPEN_OPTION_FROM,    OPEN_OPTION_INTERFACE,
    OPEN_OPTION_ZONE,    {"router", NULL, false, "at the home router too, for a week"},
    OPEN_OPTION_ON,      OPEN_OPTION_PROFILE,
    OPEN_OPTION_DRY_RUN, OPEN_OPTION_YES,
    OPEN_OPTION_CONFIRM, OPEN_OPTION_CONFIRMED,
    OPTION_STATE,        OPTION_CONFIG,
    OPTION_JSON,         OPTION_END,
};

const struct option close_options[] = {
    CLOSE_OPTION_FORCE, {"router", NULL, false, "at the home router too"},
    CLOSE_OPTION_ON,    OPEN_OPTION_DRY_RUN,
    OPEN_OPTION_YES,    OPTION_STATE,
    OPTION_CONFIG,      OPTION_JSON,
    OPTION_END,
};

/* ---- interfaces ---- */

/* A name that is not there now may be there later, as that of a tunnel. */
void change_note(struct change *c)
{
    struct if_nameindex *all = if_nameindex();
    struct buffer names = buffer_make(1024);
    int r = 0;

    if (!c->wish.interface || c->elsewhere || !all || if_nametoindex(c->wish.interface)) {
        if (all)
            if_freenameindex(all);
        return;
    }
    for (const struct if_nameindex *at = all; r >= 0 && at->if_name; at++)
        r = buffer_printf(&names, "%s%s", names.len ? ", " : "", at->if_name);
    finding_mend(findings_add(&c->planned.plan.notes, FINDING_WARNING, "interface",
                              "there is no interface \"%s\" now: the rules count once there is one",
                              c->wish.interface),
                 "there are %.*s%s", SPAN_ARGS(buffer_span(&names)), r < 0 ? ", ..." : "");
    buffer_finish(&names);
    if_freenameindex(all);
}

/* ---- what stands in front ---- */

/* A provider's firewall stands in front of this one, and nothing here can see or change it. */
static bool is_behind_a_cloud(const struct change *c, struct cloud *ret_cloud)
{
    return c->opens && !c->elsewhere && cloud_detect("", ret_cloud);
}

void change_print_more(const struct change *c, const struct face *face)
{
    struct cloud cloud;

    if (!is_behind_a_cloud(c, &cloud))
        return;
    putchar('\n');
    cloud_print(face, &cloud, &c->wish.ports);
}

void change_json_more(const struct change *c, json_t *answer)
{
    struct cloud cloud;

    if (is_behind_a_cloud(c, &cloud))
        json_object_set_new(answer, "cloud", cloud_json(&cloud, &c->wish.ports));
}

/* The router is asked once this machine lets the ports in. @return an enum app_exit */
static int ask_router(struct change *c)
{
    struct router_wish wish = {.ports = c->wish.ports.count ? c->wish.ports : ports_default(),
                               .close = !c->opens,
                               .lease = ROUTER_LEASE_LONG};

    if (!arguments_get(c->arguments, "router"))
        return APP_OK;
    return router_ask_and_tell(&wish, c->json ? &c->router : NULL);
}

int change_settle(struct change *c, struct diags *diags)
{
    if (opening_disown(c->state, &c->wish.ports, diags) < 0)
        return APP_FAILED;
    return ask_router(c);
}
