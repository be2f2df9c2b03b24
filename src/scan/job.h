/* One stretch of a scan: some hosts, some ports of one protocol, and an engine that asks them. */
#pragma once

#include <signal.h>

#include "base/macros.h"
#include "base/nsec.h"
#include "scan/answers.h"

struct scan_job {
    const struct scan_address *hosts;
    size_t host_count;
    const uint16_t *ports;
    size_t port_count;
    struct scan_answer *answers; /**< host after host, each with its ports in order; zeroed */
    struct scan_boxes *boxes;
    double rate;   /**< packets a second at most; 0: as fast as no answer is lost */
    nsec_t origin; /**< monotonic: what `sent` in answers counts from */
    const volatile sig_atomic_t *stop; /**< becomes != 0 when the user has had enough */
    /** Called some ten times a second; may be NULL.
     *  @param done  0..1, as well as it can be told */
    void (*on_progress)(void *context, double done);
    void *context;
    struct scan_job_totals {
        uint64_t sent;
        unsigned rounds;        /**< of the stretch that needed most */
        uint64_t canaries;      /**< questions to ports that had answered before */
        uint64_t canaries_lost; /**< of these, without an answer */
        uint64_t answered_late; /**< ports that answered only a repeated question */
        double rate;            /**< packets a second, at the end */
        bool cannot_send;       /**< this machine's own firewall forbade some of it */
    } totals;
};

static inline struct scan_answer *scan_job_answer(const struct scan_job *job, size_t host,
                                                  size_t port)
{
    return &job->answers[host * job->port_count + port];
}

/** Asks with SYNs of its own making; needs CAP_NET_RAW.
 *  @return 0; -EPERM without that right; -errno */
must_check int scan_syn(struct scan_job *job);
/** Asks by connecting. @return 0, or -errno */
must_check int scan_connect(struct scan_job *job);
/** Asks UDP ports, those of HTTPS with a packet that a QUIC server answers. @return 0, or -errno */
must_check int scan_udp(struct scan_job *job);
