/* A forged packet, sent through this host's own stack as if it had come in by an interface, and the
 * kernel's trace of it. The packet is dropped at the end of the way, no answer to it leaves, and
 * the kernel takes down all that was set up for it when the process ends, however it ends. What the
 * events mean to people is explain.h's. */
#pragma once

#include "base/nsec.h"
#include "firewall/model/path.h"
#include "firewall/trace/probe_frame.h"
#include "firewall/trace/trace_message.h"

/** How far a packet was seen to come, in the order of the way. */
enum prober_place {
    PROBER_NOWHERE,
    PROBER_INGRESS,           /**< before any chain of netdev tables */
    PROBER_PREROUTING,        /**< before raw */
    PROBER_PREROUTING_RAW,    /**< after the priority of raw */
    PROBER_PREROUTING_MANGLE, /**< after that of mangle */
    PROBER_ROUTING,           /**< after all of prerouting */
    PROBER_INPUT,             /**< the kernel took it for one of this host */
    PROBER_INPUT_MANGLE,
    PROBER_INPUT_BEFORE_FILTER,
    PROBER_INPUT_AFTER_FILTER,
    PROBER_INPUT_END, /**< nothing dropped it: we do */
    PROBER_FORWARD,   /**< the kernel would send it on */
    PROBER_FORWARD_MANGLE,
    PROBER_FORWARD_BEFORE_FILTER,
    PROBER_FORWARD_AFTER_FILTER,
    PROBER_FORWARD_END,
};

/** One rule or policy that the packet met. */
struct prober_event {
    enum trace_kind kind;
    uint8_t family; /**< NFPROTO_* */
    char table[128], chain[128], target[128];
    uint64_t handle;
    int32_t verdict;
    enum prober_place place; /**< how far it had come */
    bool moved;              /**< its destination is another than before */
};

struct prober_trace {
    struct prober_event *events;
    size_t count;
    bool cut;                      /**< more events came than are kept, or the kernel lost some */
    enum prober_place place;       /**< the farthest */
    unsigned char destination[16]; /**< the last that was seen */
    uint16_t port;
    bool moved; /**< that is another than the probe's */
};

struct prober;

/** Sets the stage on one interface.
 *  @param ret_why  on error a sentence that says what is lacking, for free()
 *  @return 0 with a prober to be closed; -EPERM without CAP_NET_ADMIN and CAP_BPF; -EOPNOTSUPP on a
 *  kernel that cannot; -errno */
must_check int prober_open(const char *interface, struct prober **ret_prober, char **ret_why);
/** Sends one probe on its way and follows it, for at most 300 ms.
 *  @return 0 with a trace to be finished; ERR_SYNTAX when the kernel's messages cannot be read;
 *  -EOPNOTSUPP on kernels before 5.18; -errno */
must_check int prober_follow(struct prober *prober, const struct firewall_probe *probe,
                             struct prober_trace *ret_trace);
/** Sends one probe without following it. @return >= 0, or -errno */
must_check int prober_send(struct prober *prober, const struct firewall_probe *probe);
/** Sends copies for counters. The kernel does not trace them: events
 *  would take longer than the copies. Their token's last bit is set. @return >= 0, or -errno */
must_check int prober_burst(struct prober *prober, const struct firewall_probe *probe,
                            unsigned copies);
const struct probe_marks *prober_marks(const struct prober *prober);
/** Was it last seen on its way to a program that reads a queue? */
bool prober_trace_held(const struct prober_trace *trace);
void prober_trace_finish(struct prober_trace *trace);
void prober_close(struct prober *prober);
