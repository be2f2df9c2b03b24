/* The home router in front of this machine, asked to send ports on to us: NAT-PMP, or UPnP-IGD
 * where it does not speak that. The libraries that read its answers run in a process of their own,
 * without root and for seconds. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/nsec.h"
#include "os/ports.h"
#include "router/router_epoch.h"

struct printer;
struct findings;

enum {
    ROUTER_LEASE_LONG = 604800, /**< s, where nobody renews: a week, UPnP's longest */
    ROUTER_LEASE_SHORT = 3600,  /**< s, where somebody renews after half of it */
};

struct router_request {
    struct ports ports;
    bool close;       /**< take back what we mapped */
    uint32_t lease;   /**< s */
    const char *user; /**< whom the asking process becomes when we are root; NULL: "nobody" */
};

enum router_speech { ROUTER_SILENT, ROUTER_NATPMP, ROUTER_UPNP, ROUTER_SPEECHES };

enum router_outcome {
    ROUTER_UNDONE, /**< no router was found, or it was lost on the way */
    ROUTER_MAPPED,
    ROUTER_REMOVED,
    ROUTER_ABSENT,  /**< to be closed, and it was not there */
    ROUTER_TAKEN,   /**< it leads to another machine: `holder` */
    ROUTER_REFUSED, /**< `code` says why */
    ROUTER_OUTCOMES,
};

struct router_port {
    struct port port;
    enum router_outcome outcome;
    enum router_speech speech; /**< that it was agreed or refused in */
    uint32_t lease;            /**< s; 0: for good */
    int code;                  /**< UPnP's errorCode (> 0), NAT-PMP's result code (> 0) */
    char holder[80];           /**< foreign text: "192.168.1.7 (its description)" */
};

enum router_wan {
    ROUTER_WAN_UNKNOWN,
    ROUTER_WAN_NONE, /**< the router has no address outside: it is not online */
    ROUTER_WAN_PUBLIC,
    ROUTER_WAN_PRIVATE, /**< of RFC 1918: another router stands in front */
    ROUTER_WAN_CARRIER, /**< of RFC 6598, 100.64.0.0/10: the provider shares one address */
};

/** Plain data: it crosses a pipe. */
struct router_answer {
    bool routed;                 /**< an IPv4 route leads to a router at all */
    bool direct;                 /**< we have a public address ourselves: nobody need be asked */
    bool heard[ROUTER_SPEECHES]; /**< that somebody answered in */
    char interface[16];
    char router[46];  /**< its address on our side */
    char address[46]; /**< ours */
    char wan[46];     /**< its address outside; "" where it was not told */
    struct router_port ports[PORTS_MAX];
    size_t count;
};

/** Asks, for 3 s to find a router and then at most 10 s.
 *  @return 0 with what became of it; ERR_TIMEOUT; -errno when nobody could be asked */
must_check int router_talk(const struct router_request *request, struct router_answer *ret_answer);
/** Is the program built with any protocol that routers speak? */
bool router_available(void);
/** Were all ports mapped, or taken back? */
bool router_fine(const struct router_answer *answer);
/** Seconds until the first lease must be renewed (half of it), 0: never. */
uint32_t router_renew_after(const struct router_answer *answer);
/** What a router's address outside means. @param text  "192.0.2.1", "" or anything */
enum router_wan router_wan_kind(const char *text);
/** UPnP's and NAT-PMP's refusals in words. @param ret_hint  what to do; never NULL */
const char *router_refusal(enum router_speech speech, int code, const char **ret_hint);
/** Says in findings what became of it, and what stands in the way. @param now  wall clock, ns */
void router_judge(const struct router_answer *answer, nsec_t now, struct findings *findings);
/** {router?, address?, interface?, outside?, ports: [{port, outcome, protocol?, lease?, code?,
 *  holder?}]}; a new reference. */
json_t *router_json(const struct router_answer *answer);
