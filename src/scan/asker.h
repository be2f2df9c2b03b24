/* Asking through the kernel's own sockets, one a port: many at once, the silent ones again. What a
 * question is and what counts as an answer is its kind's: TCP or UDP. */
#pragma once

#include "os/dial.h"
#include "scan/job.h"

struct scan_asker_kind {
    unsigned rounds;        /**< how often silent ports are asked */
    unsigned in_flight_max; /**< questions at once */
    double rate_max;        /**< questions a second; 0: no bound but the user's */
    nsec_t patience_first;  /**< for an answer, while no round trip is known */
    nsec_t patience_min, patience_max;
    /** Sends a question. @return its socket, or -errno */
    int (*ask)(const struct scan_address *host, uint16_t port);
    /** Looks at a socket of which the loop says that something happened.
     *  @return false when there is no answer yet; else true, *ret_result 0 or -errno with
     * *ret_failure */
    bool (*hear)(int fd, int *ret_result, struct dial_failure *ret_failure);
    /** Corrects what scan_dialled() made of the answer; may be NULL. */
    void (*settle)(struct scan_answer *answer, const struct scan_job *job,
                   const struct scan_address *host);
};

/** Asks every pair of host and port of the job.
 *  @return 0, or -errno */
must_check int scan_ask(struct scan_job *job, const struct scan_asker_kind *kind);
/** What a connection or datagram that the kernel sent for us says about a port.
 *  @param result  0 when it was accepted, else -errno */
void scan_dialled(struct scan_answer *answer, struct scan_boxes *boxes, int result,
                  const struct dial_failure *failure);
