/* `gardien scan`, and what of its help differs by system: scan_linux.c, scan_portable.c. */
#pragma once

#include "cli/cli.h"

int scan_verb_run(const struct arguments *arguments);

#define SCAN_SUMMARY "find open, closed and filtered ports"
#define SCAN_USAGE "HOST[/PREFIX]... [OPTION...]"
#define SCAN_DETAILS                                                                               \
    "Asks TCP and UDP ports of hosts and networks, IPv4 and IPv6, and says of each port\n"         \
    "whether it is open, closed or filtered, and why. Without -p it asks those that HTTPS is\n"    \
    "common on. "
#define SCAN_PERMISSION "Scan only what is yours, or what its owner lets you scan."
#define SCAN_EXAMPLES                                                                              \
    "gardien scan example.com\n"                                                                   \
    "gardien scan 192.0.2.7 -p 440-443,8443\n"                                                     \
    "gardien scan 192.0.2.0/24 -p 443 --json\n"                                                    \
    "gardien scan ::1 -p- --no-services\n"
#define SCAN_EXITS                                                                                 \
    "0 scanned; 1 failed or was interrupted (what was found is printed); 2 the\n"                  \
    "command line is wrong"

#define SCAN_OPTION_PORTS                                                                          \
    {                                                                                              \
        "ports", "PORTS", false, "440-443,8443/tcp,443/udp; -p- is all TCP ports", "-p"            \
    }
#define SCAN_OPTIONS_SHARED                                                                        \
    {"no-services", NULL, false, "do not ask open ports what serves there"},                       \
        {"ipv4", NULL, false, "only IPv4 addresses of names", "-4"},                               \
        {"ipv6", NULL, false, "only IPv6 addresses of names", "-6"},                               \
        {"yes", NULL, false, "scan even more than 65,536 addresses"},                              \
        {"xml", "FILE", false, "write nmap's XML to FILE, `-` for standard output", "-oX"},        \
        OPTION_JSON, OPTION_END
