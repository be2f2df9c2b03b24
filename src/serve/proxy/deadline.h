/* How long each stage of a request to an upstream may take. Times are monotonic. */
#pragma once

#include <stdbool.h>

#include "base/nsec.h"

struct proxy_timeouts {
    nsec_t connect;    /**< until the connection stands, all addresses together */
    nsec_t first_byte; /**< from the end of the upload to the answer's head */
    nsec_t between;    /**< without progress, while bytes are due */
    nsec_t whole;      /**< of the request; 0: no bound */
    nsec_t tunnel;     /**< in a tunnel, without a byte in either direction */
};

enum proxy_stage {
    PROXY_CONNECT,
    PROXY_SEND,   /**< the request goes out */
    PROXY_ANSWER, /**< it is out, the answer's head is due */
    PROXY_BODY,
    PROXY_TUNNEL,
};

struct proxy_clock {
    enum proxy_stage stage;
    nsec_t began;          /**< the request, at its first attempt */
    nsec_t entered;        /**< this stage */
    nsec_t progress;       /**< last byte that moved towards or from the server */
    bool waits_for_client; /**< nothing is due from the server: the client is slow */
};

/** "connecting", "sending the request"… for the log. */
const char *proxy_stage_text(enum proxy_stage stage);
void proxy_clock_enter(struct proxy_clock *clock, enum proxy_stage stage, nsec_t now);
/** When the request has to be given up; NSEC_NEVER. */
nsec_t proxy_clock_deadline(const struct proxy_clock *clock, const struct proxy_timeouts *timeouts);
