/* Who may ask an eye, and when: connections and looks of each source, looks of all, and how many
 * are under way. An IPv6 source counts by its /64. It knows no sockets. */
#pragma once

#include <stdbool.h>

#include "os/address.h"

enum {
    GATE_SOURCES_MAX = 1024, /**< remembered at a time */
    GATE_ACTIVE_MAX = 32,    /**< connections under way, of all */
    GATE_KNOCKS = 60,        /**< connections of a source a minute */
    GATE_ALL_LOOKS = 60,     /**< looks of all sources, so of the key, a minute */
    GATE_LOOKS = 6,          /**< looks of a source a minute, unless told otherwise */
    GATE_CONNECTIONS = 4,    /**< of a source at the same time */
};

struct gate_source {
    unsigned char network[17]; /**< family, then the address or the /64 */
    nsec_t knocks, looks;      /**< when what was taken will be given back; monotonic */
    unsigned connected;
    bool looking;
};

struct gate {
    unsigned looks_a_minute;
    nsec_t looks;
    unsigned active;
    size_t count;
    struct gate_source sources[GATE_SOURCES_MAX];
};

/** Writes an IPv4-mapped IPv6 address as what it is. */
void gate_normalise(struct socket_address *address);
/** A connection came. @return the source, to be given to gate_leave(), or NULL to close at once */
struct gate_source *gate_enter(struct gate *gate, const struct socket_address *from, nsec_t now);
/** It proved that it knows the key and asks for a look.
 *  @return 0: go on; else seconds to wait, 1..60 */
unsigned gate_look(struct gate *gate, struct gate_source *source, nsec_t now);
/** The connection is over.
 *  @param looked  gate_look() said 0 to it */
void gate_leave(struct gate *gate, struct gate_source *source, bool looked);
