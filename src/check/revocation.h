/* Whether the authority took a certificate back, asked of itself while the other probes go on. That
 * may block for long, so a child process asks. */
#pragma once

#include "base/span.h"
#include "cert/cert.h"
#include "os/loop.h"

enum { REVOCATION_WHY_MAX = 128 };

/** All zero: nobody was asked. */
struct revocation {
    bool begun, done;
    nsec_t started; /**< monotonic */
    int result;     /**< once done: 0, or a negative error, as of cert_revocation_ask() */
    struct cert_revocation said;
    char why[REVOCATION_WHY_MAX]; /**< of an error, as a sentence's end */
    /* private */
    struct loop *loop;
    struct loop_watch watch;
    int child;
    char answer[sizeof(int32_t[3]) + REVOCATION_WHY_MAX];
    size_t answer_len;
};

/** Begins; without a word when there is no process to be had. Nobody is asked for a chain that this
 *  machine does not trust: where to ask stands in it, and anybody could have written it.
 *  @param local_ca  of gardien, PEM; may be empty
 *  @param wall      wall clock */
void revocation_start(struct revocation *revocation, struct loop *loop, struct span chain_pem,
                      struct span local_ca, nsec_t wall);
/** Ends the child if it still runs. Zeroed memory is fine. */
void revocation_finish(struct revocation *revocation);
