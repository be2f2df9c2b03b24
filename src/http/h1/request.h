/* What a request's head means for its connection: target form, host, body framing, persistence
 * (RFC 9112 sections 3, 6 and 9). The bytes were cut by parser.c. */
#pragma once

#include "http/message.h"
#include "http/message_limits.h"

/** What the engine must know and the request does not say. */
struct h1_framing {
    bool chunked;    /**< the body is chunked; else request.content_length bytes if that is > 0 */
    bool keep_alive; /**< the client would use the connection again */
    bool expects;    /**< it waits for 100 Continue before it sends the body */
};

/** Fills the rest of the request from its fields, whose names are lower case and which live in the
 *  arena. On a fault request->refusal is set, and path is never empty. */
void h1_request_read(struct http_request *request, struct arena *arena,
                     const struct http_limits *limits, struct h1_framing *ret_framing);
/** Makes a refused request fit for being answered and logged: status, reason, at least "/". */
void h1_request_refuse(struct http_request *request, int status, const char *reason);
