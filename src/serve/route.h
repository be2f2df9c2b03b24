/* Routes of a site: which handler answers which paths. */
#pragma once

#include "protect/protect.h"
#include "serve/compress.h"
#include "serve/handler.h"
#include "serve/header_rules.h"

struct files;

struct route {
    struct span path; /**< "/", "/old", "/api/"; decoded, without dot segments */
    bool exact;       /**< that path alone, else also what lies beneath */
    bool plain;       /**< answered over plain HTTP too, in place of the redirect to HTTPS */
    const struct handler *handler;
    void *config;                             /**< the handler's; freed by handler->release() */
    struct files *pages;                      /**< whose error pages its answers use; NULL: ours */
    const struct compress_settings *compress; /**< of what handlers do not encode themselves; NULL:
                                                   not at all */
    struct route *otherwise;      /**< gets what the handler does not have, and requests with a body
                                      or another method than GET and HEAD; NULL: nobody does */
    uint64_t body_max;            /**< bytes of a request's body; 0: as elsewhere */
    struct protect_rules protect; /**< what is demanded of its requests */
    struct rate_rules rates;      /**< its own */
    struct header_rules headers;  /**< in place of the site's, which they begin with; none: the
                                       site's */
};

/** Brings routes into the order in which routes_find() looks: the longest path first; of the same
 *  path the exact one first, then as they were. */
void routes_sort(struct route *routes, size_t count);
/** The route with the longest path that matches whole segments: "/api" matches "/api" and "/api/x",
 *  not "/apis"; "/api/" what lies beneath.
 *  @return NULL when none does */
const struct route *routes_find(const struct route *routes, size_t count, struct span path);
/** The part of a matched path beneath the route's: "/x" of "/api/x", "/" of "/api". */
struct span route_rest(const struct route *route, struct span path);
/** Frees the configs, and the routes that get what others do not have. */
void routes_finish(struct route *routes, size_t count);
