/* Scanning on other systems: by connecting, and without TLS. */
#include "cli/scan_parts.h"

static const struct option options[] = {
    SCAN_OPTION_PORTS,
    {"rate", "N", false, "connections a second at most (default: as fast as answers come)"},
    SCAN_OPTIONS_SHARED,
};

const struct verb scan_verb = {
    "scan",
    scan_verb_run,
    SCAN_SUMMARY,
    SCAN_USAGE,
    SCAN_DETAILS
    "It connects, and asks silent ports once more. Open ports are asked what\n"
    "serves there, in plain HTTP; a certificate is shown by gardien on Linux.\n" SCAN_PERMISSION,
    SCAN_EXAMPLES,
    options,
    SIZE_MAX,
    SCAN_EXITS,
    "localhost"};
