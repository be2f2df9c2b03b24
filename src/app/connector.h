/* Connecting to upstream servers for workers, which cannot open sockets themselves. A worker asks
 * by a number that stands for a configured address; nothing else can be reached through here. What
 * carries questions and sockets is the connector process's. */
#pragma once

#include "os/lookup.h"
#include "os/loop.h"
#include "serve/serve.h"

struct connector;

struct connector_options {
    struct loop *loop;
    /** @param fd    a connected socket, which the receiver takes over; -1: there is none
     *  @param error  -errno then */
    void (*on_answer)(void *context, int client, uint64_t number, int fd, int error);
    /** Looks a name up; connector_resolved() follows. @return 0, or -errno */
    int (*resolve)(void *context, const char *name);
    void *context;
};

enum {
    CONNECTOR_CLIENT_MAX = 4096, /**< connections that one worker may wait for */
    CONNECTOR_ADDRESSES_MAX = 8, /**< of a name that are tried */
};

struct connector *connector_create(const struct connector_options *options);
/** Closes what is under way, without answers. NULL is fine. */
void connector_destroy(struct connector *connector);

/** Says what may be reached from now on, one server after the other between begin and end. */
void connector_targets_begin(struct connector *connector);
/** @param timeout  for a connection, all addresses together */
void connector_target(struct connector *connector, const struct upstream_address *address,
                      nsec_t timeout);
void connector_targets_end(struct connector *connector);

/** connector_target() as upstreams_each() calls it. */
void connector_target_of(void *connector, const struct upstream_address *address, nsec_t timeout);

/** A worker wants a connection: on_answer() follows, maybe inside.
 *  @param client   whoever asks; for connector_forget()
 *  @param address  upstream_address_id() */
void connector_ask(struct connector *connector, int client, uint64_t number, uint64_t address);
/** The worker is gone: what it waits for is dropped. */
void connector_forget(struct connector *connector, int client);
/** What the name's addresses are now; an error keeps those that were known. */
void connector_resolved(struct connector *connector, const char *name,
                        const struct lookup_result *result);
