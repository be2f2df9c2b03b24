/* Ports and networks as users write them: "443/tcp", "192.0.2.0/24". What is done with them is the
 * planners'. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/span.h"

enum { PORTS_MAX = 64, PORT_TEXT = 12, NETWORK_TEXT = 52 };

enum port_protocol { PORT_TCP, PORT_UDP };

struct port {
    uint16_t number; /**< 1..65535 */
    enum port_protocol protocol;
};

/** In the order in which they were named, none twice. */
struct ports {
    struct port items[PORTS_MAX];
    size_t count;
};

/** Addresses that share their first bits. family 0: all addresses. */
struct network {
    int family;              /**< 0, 4 or 6 */
    unsigned char bytes[16]; /**< network order; four bytes for family 4 */
    unsigned prefix;         /**< 0..32 or 0..128 */
};

/** Reads "443" (TCP), "443/tcp" or "443/udp".
 *  @param diags  gets what is wrong, with the right form as hint
 *  @return 0, or ERR_SYNTAX */
must_check int port_parse(const char *text, struct diags *diags, struct port *ret_port);
/** "443/tcp"; yields `out`. */
const char *port_text(struct port port, char out[PORT_TEXT]);
/** "tcp" or "udp" */
const char *port_protocol_name(enum port_protocol protocol);
static inline bool port_equal(struct port a, struct port b)
{
    return a.number == b.number && a.protocol == b.protocol;
}

/** Adds a port unless it is there. @return 0, or ERR_LIMIT past PORTS_MAX */
must_check int ports_add(struct ports *ports, struct port port);
bool ports_have(const struct ports *ports, struct port port);
/** What HTTPS needs: 80/tcp, 443/tcp, 443/udp. */
struct ports ports_default(void);
/** Reads a list of words, ports and ranges as "440-443/tcp"; all that is wrong is found. @return 0,
 * ERR_SYNTAX or ERR_LIMIT */
must_check int ports_parse(const char *const *words, size_t count, struct diags *diags,
                           struct ports *ret_ports);

/** Reads "192.0.2.7", "192.0.2.0/24", "2001:db8::/32". Bits beyond the prefix are a mistake, whose
 *  hint names the network.
 *  @return 0, or ERR_SYNTAX */
must_check int network_parse(const char *text, struct diags *diags, struct network *ret_network);
/** "192.0.2.0/24", or the address alone where the prefix is full; yields `out`. */
const char *network_text(const struct network *network, char out[NETWORK_TEXT]);
