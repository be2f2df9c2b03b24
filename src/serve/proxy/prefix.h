/* Where a route puts another path in place of its own: paths of requests on their way to the
 * server, and paths that its answers name on their way to the client. */
#pragma once

#include "base/arena.h"
#include "base/span.h"
#include "http/http.h"

/** Both without a final slash, percent-encoded. */
struct prefix {
    struct span route;  /**< as clients see it; "" for "/" */
    struct span server; /**< as the server sees it */
    struct span plain;  /**< the route's, decoded */
    struct span given;  /**< the server's as in the settings, with its final slash */
};

/** @param route   a route's path, decoded
 *  @param server  what stands in its place, decoded; begins with a slash */
void prefix_create(struct span route, const char *server, struct prefix *ret_prefix);
void prefix_finish(struct prefix *prefix);
/** The path for the server.
 *  @param path  as the client wrote it, beneath the route's
 *  @return ptr NULL when the two could read the path differently, or the arena is full */
struct span prefix_to_server(const struct prefix *prefix, struct arena *arena, struct span path);
/** The path for the client: what lies beneath the server's path is moved beneath the route's. What
 *  lies beneath the route's already stays: such a server knows x-forwarded-prefix.
 *  @param path  may have a query and a fragment
 *  @return ptr NULL when the arena is full */
struct span prefix_to_client(const struct prefix *prefix, struct arena *arena, struct span path);
/** Moves the paths in location, content-location and set-cookie.
 *  @param authority  of the request: URLs with another one stay as they are
 *  @return 0, or ERR_LIMIT when the arena is full */
must_check int prefix_fields(const struct prefix *prefix, struct arena *arena,
                             struct span authority, struct http_fields *fields);
