/* Numbers and words of a check that monitoring asks about, and the little language in which it
 * does: `status=200,days>14,http=2`. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/diag.h"
#include "base/nsec.h"
#include "report/finding.h"

/** What was measured. Below zero: could not be had. */
struct check_metrics {
    int64_t status;    /**< HTTP status of the first answer */
    int64_t days;      /**< until the certificate ends */
    nsec_t time;       /**< from the name to the first byte of the answer, ns */
    nsec_t rtt;        /**< round trip, ns */
    int64_t addresses; /**< that answer over HTTPS */
    int64_t failing;   /**< addresses that do not */
    int tls;           /**< 10, 11, 12, 13 */
    int http;          /**< 10, 11, 20 */
    int h3, hsts, ipv6, resumed, trusted, redirect80; /**< 0 or 1 */
};

/** All unknown. */
struct check_metrics check_metrics_none(void);

enum { EXPECT_MAX = 16 };

struct expectation {
    unsigned metric; /**< index into the table of expect.c */
    char compare[3]; /**< "=", "!=", "<", "<=", ">", ">=" */
    int64_t value;
    char *text; /**< as it was written */
};

struct expectations {
    struct expectation items[EXPECT_MAX];
    size_t count;
};

/** Reads `NAME OP VALUE`, comma between. Times are written 500ms or 2s, words yes and no.
 *  @return 0, or ERR_SYNTAX with diags */
must_check int expectations_parse(const char *text, struct diags *diags,
                                  struct expectations *ret_expectations);
void expectations_finish(struct expectations *expectations);
/** Adds a finding of topic "expect" for each. @return how many do not hold */
size_t expectations_judge(const struct expectations *expectations,
                          const struct check_metrics *metrics, struct findings *findings);
/** An object with those that are known; a new reference. */
json_t *check_metrics_json(const struct check_metrics *metrics);
/** Reads such an object, which somebody else may have written: what is missing, of another kind or
 *  beyond reason stays unknown. @param object  may be NULL */
void check_metrics_read(const json_t *object, struct check_metrics *ret_metrics);
