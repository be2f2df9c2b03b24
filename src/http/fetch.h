/* One GET as a client, over HTTP/1.1 or HTTP/2, without a socket: bytes out, bytes in, the answer's
 * head. Redirects, deadlines and what an answer means are decided above. */
#pragma once

#include <sys/types.h>

#include "base/span.h"

enum {
    HTTP_FETCH_HEAD_MAX = 256 * 1024, /**< bytes of a head that is taken, as browsers do */
    HTTP_FETCH_FIELDS_MAX = 1000,
    HTTP_FETCH_OUT = 16 * 1024, /**< bytes that http_fetch_output() needs room for */
};

struct http_fetch_request {
    int version;           /**< HTTP_1_1 or HTTP_2 */
    const char *scheme;    /**< "https" */
    const char *authority; /**< host[:port] */
    const char *path;      /**< begins with '/' */
    const char *user_agent;
    const char *cookie; /**< value of a Cookie field; NULL sends none */
};

/** What RFC 9112 forbids in a head of HTTP/1 and browsers put up with. */
enum http_fetch_oddity {
    HTTP_FETCH_FOLDED = 1 << 0,     /**< a field goes on in the next line: joined (section 5.2) */
    HTTP_FETCH_NO_FIELD = 1 << 1,   /**< a line without a name or a colon: passed over */
    HTTP_FETCH_BLANK_NAME = 1 << 2, /**< blanks between name and colon: taken off */
};

struct http_fetch;

/** @return 0, or ERR_PROTOCOL when the HTTP/2 library refuses */
must_check int http_fetch_create(const struct http_fetch_request *request,
                                 struct http_fetch **ret_fetch);
void http_fetch_destroy(struct http_fetch *fetch);
/** Takes bytes of the server.
 *  @return 1 once the head is complete, 0 when more is needed; ERR_SYNTAX for what is no such HTTP;
 *  ERR_LIMIT for a head beyond the bounds; ERR_CLOSED when the server refused the stream or said
 *  goodbye without an answer */
must_check int http_fetch_input(struct http_fetch *fetch, struct span bytes);
/** Bytes for the server. @param cap  at least HTTP_FETCH_OUT
 *  @return bytes >= 0, or ERR_PROTOCOL */
must_check ssize_t http_fetch_output(struct http_fetch *fetch, char *out, size_t cap);
/* The answer, after http_fetch_input() returned 1. */

/** 200..999: informational answers are passed over, what is beyond 599 is invalid. */
int http_fetch_status(const struct http_fetch *fetch);
/** HTTP_1_0, HTTP_1_1 or HTTP_2. */
int http_fetch_version(const struct http_fetch *fetch);
/** The first field of that lower-case name, as long as the fetch lives; ptr is NULL when absent. */
struct span http_fetch_value(const struct http_fetch *fetch, struct span name);
/** enum http_fetch_oddity */
unsigned http_fetch_oddities(const struct http_fetch *fetch);
/** Are there Content-Length fields that contradict each other? Clients refuse such an answer. */
bool http_fetch_lengths_differ(const struct http_fetch *fetch);
/** The values of all Set-Cookie fields, a newline between them; at most 8 KiB, whole ones. @return
 * for free(), or NULL without any */
char *http_fetch_cookies(const struct http_fetch *fetch);
