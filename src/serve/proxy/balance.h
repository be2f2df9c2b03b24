/* Which server of a group gets a request. */
#pragma once

#include <stddef.h>

#include "serve/proxy/health.h"

enum balance_kind {
    BALANCE_ROUND_ROBIN,
    BALANCE_LEAST, /**< fewest requests under way, for its weight */
    BALANCE_TWO,   /**< the less loaded of two at random */
    BALANCE_HASH,  /**< rendezvous hash, with bounded loads */
};

/** One server as balancing sees it; embedded in what else is known of it. */
struct balance_server {
    uint64_t id;     /**< for the hash: the same for a server in every worker and after reloads */
    unsigned weight; /**< 1..256; 0: gets no new requests */
    unsigned in_flight; /**< requests under way */
    int64_t current;    /**< round robin's */
    struct health health;
};

struct balance_question {
    enum balance_kind kind;
    const struct health_settings *health;
    nsec_t now;
    uint64_t hash;                             /**< BALANCE_HASH: of the key */
    uint64_t random;                           /**< BALANCE_TWO and ties of BALANCE_LEAST */
    const struct balance_server *const *tried; /**< those that this request failed at */
    size_t tried_count;
};

/** Chooses among servers that are usable and not tried. Its in_flight is the caller's to raise.
 *  @return NULL when there is none */
struct balance_server *balance_choose(struct balance_server *const *servers, size_t count,
                                      const struct balance_question *question);
/** How many servers may be asked. */
size_t balance_usable(struct balance_server *const *servers, size_t count, nsec_t now);
/** When some server may be asked again, if none may now. @return 0: now, or there is none */
nsec_t balance_retry_at(struct balance_server *const *servers, size_t count, nsec_t now);
