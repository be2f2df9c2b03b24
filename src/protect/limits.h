/* The limits that keep one client from taking what belongs to all: sizes, counts, deadlines, rates.
 * Every one is a setting with a default; who enforces it asks here for the bound. */
#pragma once

#include <stdint.h>

#include "base/nsec.h"
#include "config/config.h"
#include "http/http.h"

/** Settings `limits:`. Sizes in bytes, times in ns, rates in bytes a second; 0 switches a deadline,
 *  a rate or a connection bound off. */
struct limits_settings {
    int64_t header_size;
    int64_t header_count;
    int64_t uri_length;
    int64_t body_size;
    int64_t requests_per_connection;
    int64_t connections_per_worker;
    int64_t connections_per_address;
    int64_t requests_per_address;
    int64_t connection_memory;
    int64_t worker_memory;
    int64_t handshake_timeout;
    int64_t keep_alive;
    int64_t header_timeout;
    int64_t header_timeout_max;
    int64_t header_rate;
    int64_t body_timeout;
    int64_t body_rate;
    int64_t response_timeout;
    int64_t response_rate;
    int64_t h2_streams;
    int64_t h2_resets;
    int64_t h2_settings;
    int64_t h2_pings;
    int64_t h2_empty_frames;
    int64_t h2_continuations;
    int64_t h2_window;
};

extern const struct config_row limits_rows[];

/** The largest body of a request in bytes.
 *  @param own  what the route's settings say; 0: nothing
 *  @param forwarded  an application takes it */
uint64_t limits_body(const struct limits_settings *limits, int64_t own, bool forwarded);
/** The part that the message layer enforces. Of bodies it enforces the bound of what is not
 *  forwarded; where routes allow more, raise it. */
void limits_http(const struct limits_settings *limits, struct http_limits *ret_http);

/** A transfer that must keep up: when it began and how many bytes it has moved. */
struct limits_pace {
    nsec_t began;
    uint64_t moved;
};

/** When a transfer has to be given up unless it moves on: `timeout` after its beginning, plus a
 * second for every `rate` bytes moved, at most `most` in all (Apache's MinRate model).
 *  @param rate  bytes a second; 0: bytes buy no time
 *  @param most  ns; 0: no bound
 *  @return monotonic ns, NSEC_NEVER when timeout is 0 */
nsec_t limits_deadline(const struct limits_pace *pace, nsec_t timeout, int64_t rate, nsec_t most);
