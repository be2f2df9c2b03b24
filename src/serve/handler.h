/* The table of a handler: code that may answer a request. Files, redirect and respond are handlers;
 * which one gets a request is said by its route.
 *
 *   start → on_body … → on_request_end → (on_tunnel …) → on_close
 *
 * A handler answers with request_respond() or request_fail(), inside start() or at any later time:
 * from a timer, or when another socket has something. A late answer wakes its connection. It never
 * sees that connection: what it may know of the client stands in request->client. */
#pragma once

#include "http/http.h"

struct request;

struct handler {
    const char *name;           /**< for the log */
    bool takes_encoded_slashes; /**< request->path may have "%2F" for one; else that is refused */
    /** The header is complete and protection has let it pass. request->route->config is what the
     *  settings made of this route. */
    void (*start)(struct request *r);
    /** Bytes of the body, gone after the call. Each byte takes from the client's window until
     *  request_consume(); a handler that does not keep up so slows its client and nobody else.
     *  NULL: the body is read and dropped. */
    void (*on_body)(struct request *r, struct span bytes);
    /** The body is complete; trailers stand in request->x->request.trailers. Called without a body
     *  too, right after start(); not once the answer is complete. May be NULL. */
    void (*on_request_end)(struct request *r);
    /** Bytes of the client in a tunnel, which an answer of 101 began; they count against the window
     *  as those of on_body() do. NULL for handlers that never answer 101. */
    void (*on_tunnel)(struct request *r, struct span bytes);
    /** The last call, once for each start(): timers are cancelled, upstreams let go. May be NULL.
     *  request->x->responded says whether there was an answer. */
    void (*on_close)(struct request *r, enum http_end end);
    /** Frees a route's config, when the last request of its snapshot is over. May be NULL. */
    void (*release)(void *config);
};
