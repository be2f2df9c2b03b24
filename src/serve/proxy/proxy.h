/* The reverse proxy of one worker: groups of upstream servers, their connections, and the handler
 * that forwards requests. The worker opens no socket: it asks the connector for connections to what
 * is configured. */
#pragma once

#include "base/log.h"
#include "os/loop.h"
#include "serve/proxy/address.h"
#include "serve/proxy/settings.h"

struct handler;
struct proxy;
struct proxy_trust;
struct upstream_group;

struct proxy_options {
    struct loop *loop;
    const struct log *log;
    uint64_t secret[2]; /**< random: for hashes and choices */
    /** Asks the connector for a connection; proxy_connected() follows, later.
     *  @param number   for the answer
     *  @param address  upstream_address_id()
     *  @return 0, or -errno: there will be no answer */
    int (*connect)(void *context, uint64_t number, uint64_t address);
    void *context;
};

struct proxy *proxy_create(const struct proxy_options *options);
/** After its groups. NULL is fine. */
void proxy_destroy(struct proxy *proxy);
/** The connector's answer. @param fd  taken over; -1: there is no connection, for `error` */
void proxy_connected(struct proxy *proxy, uint64_t number, int fd, int error);
/** The connector was replaced: what was asked for will not be answered, and is asked for again. */
void proxy_connector_replaced(struct proxy *proxy);
/** Moves the bytes that became due in this round of the loop. */
void proxy_round(struct proxy *proxy);

/** A group by its settings; servers that the former snapshot had as well keep their connections and
 *  their health.
 *  @param roots  certificates that servers are verified against, PEM; "" for none
 *  @return with one reference */
struct upstream_group *upstream_group_create(struct proxy *proxy,
                                             const struct upstream_settings *settings,
                                             struct span roots);
struct upstream_group *upstream_group_ref(struct upstream_group *group);
/** NULL is fine. */
void upstream_group_unref(struct upstream_group *group);

/** The config of a route that forwards to the group, whose reference is taken over.
 *  @param path   the route's, decoded
 *  @param trust  who may say whom it speaks for; NULL: nobody; lives as long as the snapshot */
void *proxy_route_create(struct upstream_group *group, const struct proxy_settings *settings,
                         struct span path, const struct proxy_trust *trust);
extern const struct handler proxy_handler;
