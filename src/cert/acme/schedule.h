/* When to renew a certificate, and how long to wait after a failure. Pure functions of the clock
 * and of random numbers that are handed in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/nsec.h"

/** A certificate in use, and what its server suggests. Wall clock. */
struct acme_lifetime {
    nsec_t not_before;
    nsec_t not_after;
    nsec_t window_start; /**< renewal information (RFC 9773); 0: none that can be used */
    nsec_t window_end;
};

/** The moment at which to renew: a random one in the suggested window; without one at 2/3 of the
 *  lifetime, or at half of a lifetime under ten days, moved by up to 2 % of it so that many
 *  certificates do not come due at once. A window that ends after the certificate, or begins before
 *  it, is not believed beyond the certificate's own life.
 *  @param random  uniform; keep the result instead of asking again with another number
 *  @return wall clock, from not_before to not_after */
nsec_t acme_renew_at(const struct acme_lifetime *lifetime, uint64_t random);

/** How long to wait after `failures` failures in a row: 1, 10, 100 minutes, then a day, each up to
 *  a tenth longer; not before `retry_after` of the server.
 *  @param now  wall clock
 *  @param retry_after  wall clock; 0: unsaid. At most a week ahead counts
 *  @return wall clock, after `now` */
nsec_t acme_retry_at(unsigned failures, nsec_t now, nsec_t retry_after, uint64_t random);

/** How loud to be about a certificate that could not be renewed. */
enum acme_urgency {
    ACME_CALM,   /**< more than a third of the time after the renewal moment is left */
    ACME_WARN,   /**< less than that */
    ACME_URGENT, /**< less than a tenth of the lifetime, or less than a day */
    ACME_OVER,   /**< expired */
};
enum acme_urgency acme_urgency(const struct acme_lifetime *lifetime, nsec_t now);
