/* What is to be checked, as a person writes it: a host, a host and port, or the address of a page.
 */
#pragma once

#include "base/diag.h"
#include "os/address.h"

struct target {
    char *host;  /**< ASCII, lower case, without a final dot; an IP address without brackets */
    char *shown; /**< the host as it was written */
    char *path;  /**< begins with '/' */
    uint16_t port;
    bool is_ip;
    struct socket_address ip; /**< with is_ip */
};

enum { TARGET_PORT = 443 };

/** Reads "example.com", "example.com:8443", "https://example.com/page", "192.0.2.1",
 *  "[2001:db8::1]:443", "2001:db8::1", "bücher.example", each perhaps with a final dot.
 *  @return 0, or ERR_SYNTAX with a diag */
must_check int target_parse(const char *text, struct diags *diags, struct target *ret_target);
void target_finish(struct target *target);
/** Host and port as a URL has them: brackets around IPv6, no port when it is `usual`. @return for
 *  free() */
char *target_authority(const struct target *target, uint16_t usual);

/** Reads "name:address" as curl's --resolve nearly has it: the port may stand between.
 *  @return 0, or ERR_SYNTAX with a diag */
must_check int target_parse_pin(const char *text, struct diags *diags, char **ret_name,
                                struct socket_address *ret_address);
