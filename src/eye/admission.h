/* Who may ask an eye, and when: connections and probes of each source, probes of all, and how many
 * are under way. An IPv6 source counts by its /64. It knows no sockets. */
#pragma once

#include <stdbool.h>

#include "os/address.h"

enum {
    ADMISSION_SOURCES_MAX = 1024, /**< remembered at a time */
    ADMISSION_ACTIVE_MAX = 32,    /**< connections under way, of all */
    ADMISSION_ATTEMPTS = 60,      /**< connections of a source a minute */
    ADMISSION_ALL_PROBES = 60,    /**< probes of all sources, so of the key, a minute */
    ADMISSION_PROBES = 6,         /**< probes of a source a minute, unless told otherwise */
    ADMISSION_CONNECTIONS = 4,    /**< of a source at the same time */
};

struct admission_source {
    unsigned char network[17]; /**< family, then the address or the /64 */
    nsec_t attempts, probes;   /**< when what was taken will be given back; monotonic */
    unsigned connected;
    bool probing;
};

struct admission {
    unsigned probes_a_minute;
    nsec_t probes;
    unsigned active;
    size_t count;
    struct admission_source sources[ADMISSION_SOURCES_MAX];
};

/** Writes an IPv4-mapped IPv6 address as what it is. */
void admission_normalise(struct socket_address *address);
/** A connection came. @return the source, to be given to admission_leave(), or NULL to close at
 * once */
struct admission_source *admission_enter(struct admission *admission,
                                         const struct socket_address *from, nsec_t now);
/** It proved that it knows the key and asks for a check.
 *  @return 0: go on; else seconds to wait, 1..60 */
unsigned admission_probe(struct admission *admission, struct admission_source *source, nsec_t now);
/** The connection is over.
 *  @param probed  admission_probe() said 0 to it */
void admission_leave(struct admission *admission, struct admission_source *source, bool probed);
