/* Does QUIC, and so HTTP/3, answer at an address? A packet of a version that does not exist draws
 * the list of those that do (RFC 9000 section 6), without any cryptography. */
#pragma once

#include "base/span.h"
#include "os/dial.h"
#include "os/loop.h"

enum quic_end { QUIC_ANSWERED, QUIC_REFUSED, QUIC_SILENT, QUIC_NO_ROUTE, QUIC_NONSENSE };

enum { QUIC_VERSIONS_MAX = 16, QUIC_PROBE_SIZE = 1200, QUIC_ID = 8 };

struct quic_probe {
    bool done;
    int end; /**< enum quic_end */
    struct dial_failure failure;
    uint32_t versions[QUIC_VERSIONS_MAX];
    size_t version_count;
    nsec_t took;
    nsec_t started;
    /* private */
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer timer;
    unsigned char packet[QUIC_PROBE_SIZE];
    unsigned sent;
    nsec_t deadline;
};

/** Begins; ends by itself at the deadline, after sending three times at most. */
void quic_probe_start(struct quic_probe *probe, struct loop *loop,
                      const struct socket_address *address, nsec_t deadline);
/** Ends it now, as silent. Zeroed memory and one that is done are fine. */
void quic_probe_stop(struct quic_probe *probe);

/** Reads a Version Negotiation packet to a packet with these ids of QUIC_ID bytes each.
 *  @return how many versions were written, or ERR_SYNTAX. Source: RFC 9000 section 17.2.1 */
must_check int quic_read_versions(struct span packet, const unsigned char *destination_id,
                                  const unsigned char *source_id,
                                  uint32_t versions[QUIC_VERSIONS_MAX]);
