/* Whether a request that failed at one upstream server may be sent again. */
#pragma once

#include <stdbool.h>

#include "base/nsec.h"

/** Retries are a part of requests, so that a failing group is not asked ever more. */
struct retry_budget {
    int64_t tokens; /**< thousandths of a retry */
    nsec_t filled;  /**< when the floor was last added */
};

enum {
    RETRY_PART = 200,    /**< thousandths of a retry that each request allows */
    RETRY_FLOOR = 3000,  /**< thousandths allowed every RETRY_WINDOW in any case */
    RETRY_MOST = 100000, /**< thousandths that may be saved up */
};
#define RETRY_WINDOW (10 * NSEC_PER_SEC)

/** A request begins. */
void retry_budget_request(struct retry_budget *budget, nsec_t now);
/** Takes a retry, at the time of the decision. @return false when there is none left */
bool retry_budget_take(struct retry_budget *budget, nsec_t now);

struct retry_question {
    bool idempotent;    /**< by its method: RFC 9110 section 9.2.2 */
    bool body_touched;  /**< bytes of the request's body were read for an attempt: they are gone */
    bool sent;          /**< bytes of the request may have reached a server */
    bool received;      /**< bytes came back */
    bool timed_out;     /**< the server took the request and was silent for too long */
    unsigned attempt;   /**< of the one that failed, from 1 */
    unsigned tries_max; /**< settings */
};

/** May it be sent again? The budget is another question. */
bool retry_is_safe(const struct retry_question *question);
