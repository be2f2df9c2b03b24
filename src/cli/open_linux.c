/* What opening has on Linux beside the rules: the home router, the provider's firewall in front of
 * the machine, the ports of `gardien serve`. */
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/open_parts.h"
#include "cli/router.h"

#define OPEN_OPTION_ROUTER                                                                         \
    {                                                                                              \
        "router", NULL, false, "at the home router too, for a week"                                \
    }
#define CLOSE_OPTION_ROUTER                                                                        \
    {                                                                                              \
        "router", NULL, false, "at the home router too"                                            \
    }

static const struct option open_options[] = {
    OPEN_OPTION_FROM,    OPEN_OPTION_INTERFACE,
    OPEN_OPTION_ZONE,    OPEN_OPTION_ROUTER,
    OPEN_OPTION_ON,      OPEN_OPTION_PROFILE,
    OPEN_OPTION_DRY_RUN, OPEN_OPTION_YES,
    OPEN_OPTION_CONFIRM, OPEN_OPTION_CONFIRMED,
    OPTION_STATE,        OPTION_CONFIG,
    OPTION_JSON,         OPTION_END,
};

static const struct option close_options[] = {
    CLOSE_OPTION_FORCE, CLOSE_OPTION_ROUTER, CLOSE_OPTION_ON, OPEN_OPTION_DRY_RUN, OPEN_OPTION_YES,
    OPTION_STATE,       OPTION_CONFIG,       OPTION_JSON,     OPTION_END,
};

/* ---- interfaces ---- */

/* A name that is not there now may be there later, as that of a tunnel. */
void change_note(struct change *c)
{
    struct if_nameindex *all = if_nameindex();
    struct buffer names = buffer_make(1024);
    int r = 0;

    if (!c->request.interface || c->elsewhere || !all || if_nametoindex(c->request.interface)) {
        if (all)
            if_freenameindex(all);
        return;
    }
    for (const struct if_nameindex *at = all; r >= 0 && at->if_name; at++)
        r = buffer_printf(&names, "%s%s", names.len ? ", " : "", at->if_name);
    finding_hint(findings_add(&c->planned.plan.notes, FINDING_WARNING, "interface",
                              "there is no interface \"%s\" now: the rules count once there is one",
                              c->request.interface),
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

void change_print_more(const struct change *c, const struct printer *printer)
{
    struct cloud cloud;

    if (!is_behind_a_cloud(c, &cloud))
        return;
    putchar('\n');
    cloud_print(printer, &cloud, &c->request.ports);
}

void change_json_more(const struct change *c, json_t *answer)
{
    struct cloud cloud;

    if (is_behind_a_cloud(c, &cloud))
        json_object_set_new(answer, "cloud", cloud_json(&cloud, &c->request.ports));
}

/* The router is asked once this machine lets the ports in. @return an enum app_exit */
static int ask_router(struct change *c)
{
    struct router_request request = {.ports = c->request.ports.count ? c->request.ports
                                                                     : ports_default(),
                                     .close = !c->opens,
                                     .lease = ROUTER_LEASE_LONG};

    if (!arguments_get(c->arguments, "router"))
        return APP_OK;
    return router_ask_and_tell(&request, c->json ? &c->router : NULL);
}

int change_settle(struct change *c, struct diags *diags)
{
    if (opening_disown(c->state, &c->request.ports, diags) < 0)
        return APP_FAILED;
    return ask_router(c);
}

/* ---- the verbs ---- */

const struct verb open_verb = {
    "open",
    open_run,
    OPEN_SUMMARY,
    OPEN_USAGE,
    OPEN_FIRST
    "proves by a probe that the port is open over IPv4 and IPv6. A rule goes into each\n"
    "chain that would drop, and survives a restart of the firewall. Running it again changes "
    "nothing. "
    "If\n"
    "a step fails, those before it are undone. With --confirm a process of its own undoes all,\n"
    "even if your connection is lost, unless you type \"yes\" or run `gardien open --confirmed`.",
    "sudo gardien open\n"
    "sudo gardien open 8443 2096/tcp 443/udp --from 192.0.2.0/24\n"
    "gardien open --dry-run\n"
    "sudo gardien open 443 --confirm 60s\n",
    open_options,
    SIZE_MAX,
    OPEN_EXITS};

const struct verb close_verb = {
    "close",
    close_run,
    CLOSE_SUMMARY,
    OPEN_USAGE,
    "Removes gardien's rules for the PORTs (by default all of its), which it knows by their tag\n"
    "gardien:443/tcp, and the files that kept them. Rules of others stay, so a port may stay "
    "open;\n"
    "--force shows and removes those that accept just that port.",
    "sudo gardien close\n"
    "sudo gardien close 8443/tcp\n"
    "sudo gardien close --force 443/tcp --dry-run\n",
    close_options,
    SIZE_MAX,
    CLOSE_EXITS};
