/* Scanning on Linux: by SYNs of our own where that is allowed. */
#include "cli/scan_parts.h"

static const struct option options[] = {
    SCAN_OPTION_PORTS,
    {"rate", "N", false, "packets a second at most (default: as fast as no answer is lost)"},
    {"connect", NULL, false, "connect, in place of SYNs of our own; needs no rights"},
    SCAN_OPTIONS_SHARED,
};

const struct verb scan_verb = {
    "scan",
    scan_verb_run,
    SCAN_SUMMARY,
    SCAN_USAGE,
    SCAN_DETAILS
    "As root it sends SYNs of its own, asks silent ports again, slows down where\n"
    "answers are lost, and says how sure it is; else it connects. Open ports are asked what\n"
    "serves there. " SCAN_PERMISSION,
    SCAN_EXAMPLES,
    options,
    SIZE_MAX,
    SCAN_EXITS,
    "localhost"};
