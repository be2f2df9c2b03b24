/* The addresses that are listened on and their sockets: one a worker with SO_REUSEPORT, kept while
 * an address stays, so that no waiting connection is lost. Accepting is the workers' business. */
#pragma once

#include <jansson.h>

#include "app/settings.h"
#include "os/socket.h"

/** A worker that is replaced without an end of its connections leaves its UDP sockets to them: its
 *  successor reads those of the next generation. The socket of slot s and generation g is the
 *  (s * UDP_GENERATIONS + g)-th of its group for ever. */
enum { UDP_GENERATIONS = 4, UDP_SLOTS = 64 };

/** A listening socket, shared by the sets of endpoints that name it. */
struct endpoint_socket {
    unsigned references;
    uint64_t id;
    int fd;
};

struct endpoint {
    char *text; /**< as the user wrote it */
    struct socket_address address;
    bool secure;
    bool datagrams; /**< UDP, for HTTP/3: UDP_GENERATIONS sockets a worker, bound in their order */
    bool proxy_protocol;
    bool shared;      /**< from the service manager: each socket is for all workers */
    const char *only; /**< "IPv4 only": of an address without a host, the manager passed no more */
    bool used;        /**< private: taken over by newer endpoints */
    struct endpoint_socket **sockets;
    size_t socket_count;
};

struct endpoints {
    struct endpoint *items;
    size_t count;
    uint64_t next_id; /**< of a new socket */
};

/** "https", "http" or "http3". */
const char *endpoint_kind(const struct endpoint *endpoint);
void endpoints_finish(struct endpoints *endpoints);
/** All that `settings` asks for, with sockets of `old` used again where an address stays. On
 * failure a diag says why and how to fix it.
 *  @param workers  how many sockets an address gets at least
 *  @return 0, or -errno of the first address that failed */
must_check int endpoints_open(struct endpoints *old, const struct settings *settings,
                              unsigned workers, struct diags *diags, struct endpoints *ret_new);
/** First packets go to these sockets from now on. @param generations  of each of `slots` workers
 *  @return 0, or -errno */
must_check int endpoints_steer(const struct endpoints *endpoints, const uint8_t *generations,
                               unsigned slots);
/** Sockets that the service manager opened; endpoints_open() takes those that cover its settings,
 * and fails when one is left over: nobody would answer its connections.
 *  @param count  descriptors from 3 on
 *  @return 0, or ERR_SETTINGS with diags for descriptors that are no listening TCP sockets */
must_check int endpoints_adopt_activation(struct endpoints *endpoints, int count,
                                          struct diags *diags);
/** For a program that takes over: descriptor numbers with what they are, and back. */
json_t *endpoints_to_json(const struct endpoints *endpoints);
must_check int endpoints_from_json(const json_t *json, struct endpoints *ret_endpoints);
