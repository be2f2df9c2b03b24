/* Which ports a scan asks: "440-443,8443/tcp,443/udp", with nmap's "T:" and "U:" understood. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/macros.h"

struct scan_ports {
    uint16_t *tcp; /**< ascending, each once */
    size_t tcp_count;
    uint16_t *udp;
    size_t udp_count;
};

/** Reads a list: "443", "440-443", "443/udp", "1-1024/udp", "-" for all TCP ports; "T:" and "U:"
 * hold for what follows them, as in nmap.
 *  @return 0, or ERR_SYNTAX with a mistake for each part that is wrong */
must_check int scan_ports_parse(const char *text, struct diags *diags,
                                struct scan_ports *ret_ports);
/** The ports that this program is about: HTTP, HTTPS and those on which HTTPS is common. */
void scan_ports_default(struct scan_ports *ret_ports);
void scan_ports_finish(struct scan_ports *ports);
/** A port's usual service as nmap's readers know it: "https"; "unknown" for others. */
const char *scan_port_service(uint16_t port);
