/* Whether a transfer keeps up: the time that was spent waiting for the other side, against the
 * bytes that came of it (the model of Apache's MinRate). Pure arithmetic; who waits decides what to
 * do about it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/nsec.h"

/** What is demanded. */
struct pace_bounds {
    nsec_t timeout;     /**< ns without a byte, and ns that a transfer has to begin with; 0: none */
    nsec_t timeout_max; /**< ns in all, however many bytes move; 0: no bound */
    uint64_t rate;      /**< bytes that add one second to the time allowed; 0: bytes add none */
};

/** How it goes. Zeroed memory is a transfer that nobody waits for yet. */
struct pace {
    nsec_t since;    /**< when the present wait began; 0: nobody waits */
    nsec_t spent;    /**< ns of earlier waits */
    nsec_t progress; /**< when bytes were last seen to have moved, in the present wait */
    uint64_t moved;  /**< bytes that had moved at the last look */
};

/** Tells whether the other side is waited for, and how many bytes it has moved since the transfer
 *  began. To be called whenever either may have changed; waits that begin and end between two calls
 *  don't count. */
void pace_update(struct pace *pace, bool waiting, uint64_t moved, nsec_t now);
/** When the transfer has to be given up unless it moves on: min(progress + timeout, beginning of
 *  the wait + timeout + moved / rate seconds - earlier waits), and not after timeout_max in all.
 *  @return monotonic ns; NSEC_NEVER while nobody waits or without a timeout */
nsec_t pace_deadline(const struct pace *pace, const struct pace_bounds *bounds);
