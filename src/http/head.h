/* For the engines of HTTP/2 and HTTP/3, whose header sections mean the same: from pseudo-headers
 * and fields to a request, and what an answer says of its length. */
#pragma once

#include "http/exchange.h"

/** Notes why a request is refused; the first reason stands. @param reason  static text */
void http_refuse(struct http_request *request, int status, const char *reason);
/** Makes copies of both in the arena, one behind the other. @return false past its ceiling */
must_check bool http_keep(struct http_exchange *x, struct span *name, struct span *value);
/** Joins the crumbs of the cookie field (RFC 9113 section 8.2.3, RFC 9114 section 4.2.1).
 *  @return false past the arena's ceiling */
must_check bool http_join_cookies(struct http_exchange *x);
/** The rules of ":authority", which a host field must not contradict (RFC 9113 section 8.3.1).
 *  @param host  the host field; ptr is NULL without one */
void http_settle_authority(struct http_exchange *x, struct span host);
/** Path and query from the target. @param max  bytes of a target */
void http_settle_path(struct http_request *request, uint32_t max);
/** "http" through a TLS connection is a gateway's truth about its client; "https" without TLS is a
 *  lie (RFC 9110 section 7.4). */
void http_settle_scheme(struct http_request *request, bool secure);

/** Whether the answer may have a body (RFC 9110 section 6.4.1). */
static inline bool http_may_have_content(const struct http_exchange *x)
{
    int status = x->response.status;

    return status != 204 && status != 304 && x->request.method != HTTP_HEAD;
}

/** What content-length says; -1 for no such field (RFC 9110 section 8.6). */
static inline int64_t http_length_to_tell(const struct http_exchange *x)
{
    if (x->response.status == 204 || x->response.status == 304)
        return -1;
    if (x->response.content_length >= 0)
        return x->response.content_length;
    return !x->body && http_may_have_content(x) ? 0 : -1;
}
