/* What opening has on macOS and its like. */
#include <stdint.h>

#include "cli/open_parts.h"

static const struct option open_options[] = {
    OPEN_OPTION_FROM,      OPEN_OPTION_INTERFACE, OPEN_OPTION_ZONE, OPEN_OPTION_ON,
    OPEN_OPTION_PROFILE,   OPEN_OPTION_DRY_RUN,   OPEN_OPTION_YES,  OPEN_OPTION_CONFIRM,
    OPEN_OPTION_CONFIRMED, OPTION_STATE,          OPTION_JSON,      OPTION_END,
};

static const struct option close_options[] = {
    CLOSE_OPTION_ON, OPEN_OPTION_DRY_RUN, OPEN_OPTION_YES, OPTION_STATE, OPTION_JSON, OPTION_END,
};

/* ---- the verbs ---- */

const struct verb open_verb = {
    "open",
    open_run,
    OPEN_SUMMARY,
    OPEN_USAGE,
    OPEN_FIRST
    "reads back that pf has the rules. They go into an anchor of gardien's own, for\n"
    "IPv4 and IPv6, and come back at each start of the machine; the application firewall, where "
    "it\n"
    "is on, is told to let connections in. Running it again changes nothing. If a step fails, "
    "those "
    "before\n"
    "it are undone. With --confirm a process of its own undoes all, even if your connection is\n"
    "lost, unless you type \"yes\" or run `gardien open --confirmed`.",
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
    "Removes gardien's rules for the PORTs (by default all of its), which it knows by their label\n"
    "gardien:443/tcp. With the last of them all else goes that opening brought.",
    "sudo gardien close\n"
    "sudo gardien close 8443/tcp\n",
    close_options,
    SIZE_MAX,
    CLOSE_EXITS};
