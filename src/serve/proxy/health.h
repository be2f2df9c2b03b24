/* Passive health of one upstream server: what failed requests say of it. Times are monotonic. */
#pragma once

#include <stdbool.h>

#include "base/nsec.h"

struct health_settings {
    int64_t failures; /**< so many within `window` make it unavailable; 0: never */
    nsec_t window;
    nsec_t pause; /**< the first; each further one is twice as long, up to pause_max */
    nsec_t pause_max;
    nsec_t slow_start; /**< after an outage its share grows for so long; 0: at once */
};

/** Zeroed memory is a healthy server. */
struct health {
    nsec_t window_began;
    nsec_t down_until; /**< 0: it is up */
    nsec_t pause;      /**< of the last outage */
    nsec_t up_since;   /**< end of the last outage; 0: there was none */
    unsigned failures; /**< in this window */
    bool trying;       /**< one request is to find out whether it is back */
};

enum { HEALTH_FULL = 1000, HEALTH_LEAST = 50 };

/** May it be asked? After a pause one request at a time may. */
bool health_usable(const struct health *health, nsec_t now);
/** A request was sent there: it may be the one that finds out. */
void health_chosen(struct health *health, nsec_t now);
/** The server failed: it refused, did not answer, or answered what is no HTTP. */
void health_failed(struct health *health, const struct health_settings *settings, nsec_t now);
void health_succeeded(struct health *health, nsec_t now);
/** The request said nothing about it: the client left, for example. */
void health_unknown(struct health *health);
/** Its share at this time, HEALTH_LEAST..HEALTH_FULL. */
unsigned health_share(const struct health *health, const struct health_settings *settings,
                      nsec_t now);
/** When it may be asked again; 0: now. */
nsec_t health_retry_at(const struct health *health, nsec_t now);
