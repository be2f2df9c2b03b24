/* How fast to ask: as fast as no answer is lost. Ports that are known to answer are asked again now
 * and then ("canaries"); when they stop answering, it is too fast. Knows no socket and no clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/nsec.h"

struct scan_rate {
    double now;        /**< packets a second */
    double floor;      /**< never slower */
    double ceiling;    /**< never faster */
    double unproven;   /**< never faster while no canary has answered */
    nsec_t pause;      /**< between two changes: long enough that the first one's effect is seen */
    nsec_t last;       /**< when the rate was last changed */
    nsec_t paid;       /**< until when packets are accounted for */
    unsigned answered; /**< canaries since the last change */
    unsigned lost;
    bool proven;
};

/** @param ceiling   packets a second, > 0
 *  @param on_link   the target is on a network that we are part of, so nobody else's line suffers
 *  @param fixed     the ceiling is the user's word: begin there */
void scan_rate_init(struct scan_rate *rate, double ceiling, bool on_link, bool fixed);
/** How many packets may be sent now, 0 to `most`; accounts for them. */
unsigned scan_rate_take(struct scan_rate *rate, nsec_t now, unsigned most);
/** When the next packet may be sent. */
nsec_t scan_rate_next(const struct scan_rate *rate);
/** A canary has answered, or has had the time to. */
void scan_rate_canary(struct scan_rate *rate, bool answered);
/** How long answers take: the pause between changes follows it. */
void scan_rate_round_trip(struct scan_rate *rate, nsec_t rtt);
/** Looks at what the canaries said since the last change and goes faster or slower. Call it often;
 *  it acts once a pause. */
void scan_rate_adapt(struct scan_rate *rate, nsec_t now);
/** Halves the rate: answers came that had been lost before. */
void scan_rate_slow_down(struct scan_rate *rate);
