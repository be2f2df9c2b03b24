/* The fields of forwarded requests and answers. */
#pragma once

#include "http/http.h"
#include "protect/protect.h"

struct proxy_trust;

/** What is known of a request beside its message. */
struct rewrite_facts {
    struct peer_address peer; /**< the client, or a proxy in front of it */
    bool trusted;             /**< it may say whom it speaks for */
    bool secure;              /**< it came over TLS */
    struct span id;           /**< the request's */
    struct span prefix;       /**< what was taken off the path's front; len 0: nothing */
};

/** The fields of the request to the server: those that may be sent on, without what only we say,
 * and with x-forwarded-for, -proto, -host, forwarded, via and x-request-id. Names that differ from
 *  another one by `_` and `-` alone are dropped, since servers mix them up.
 *  @return 0, or ERR_LIMIT when the arena is full */
must_check int rewrite_request(struct arena *arena, const struct http_request *request,
                               const struct rewrite_facts *facts, struct http_fields *ret_fields);
/** The fields of the answer to the client. @return 0, or ERR_LIMIT */
must_check int rewrite_answer(struct arena *arena, const struct http_fields *fields,
                              struct http_fields *ret_fields);
