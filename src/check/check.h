/* The view from outside on one host: names, TCP on every address, TLS, the certificate, HTTP/1.1, 2
 * and 3, port 80. Each probe yields findings; how they are shown is the caller's. */
#pragma once

#include "check/expect.h"
#include "check/names.h"
#include "check/target.h"
#include "report/finding.h"

struct check_options {
    const struct target *target;
    struct names_options names;
    nsec_t timeout;       /**< ns for all, at least CHECK_TIMEOUT_MIN */
    nsec_t wall;          /**< wall clock, for certificates */
    struct span local_ca; /**< gardien's local CA of this machine, PEM; may be empty */
    bool ask_authority;   /**< ask it whether it took the certificate back (OCSP, CRL) */
    bool stay;            /**< redirects to other hosts are not followed: for a check on behalf of
                               somebody else */
    bool any_name;        /**< a certificate for another name is no fault: this machine is meant */
};

#define CHECK_TIMEOUT_MIN (1 * NSEC_PER_SEC)
#define CHECK_TIMEOUT (10 * NSEC_PER_SEC)

struct check_result {
    struct findings findings; /**< in the order of the layers */
    struct check_metrics metrics;
    bool open;     /**< at least one address answered over HTTPS, or accepts connections where
                        HTTPS is not looked at */
    char *verdict; /**< one sentence about all */
    char *hint;    /**< of the first thing that is wrong; NULL when nothing is to do */
    nsec_t took;
};

/** Does this program look at TLS, certificates and HTTP? Else at names, TCP and HTTP/3 alone. */
extern const bool check_sees_https;

/** Runs the check. Blocks for at most the timeout and a quarter of a second.
 *  @return 0, or -errno when this machine lacks what the probes need. To be finished after 0 */
must_check int check_host(const struct check_options *options, struct check_result *ret_result);
void check_result_finish(struct check_result *result);
/** Nothing is FINDING_BAD. */
bool check_is_well(const struct check_result *result);
/** {"host", "port", "open", "well", "verdict", "hint", "metrics", "findings"}; a new reference. */
json_t *check_json(const struct check_options *options, const struct check_result *result);
