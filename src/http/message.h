/* The version-neutral message: a request, its answer, their fields and the source of an answer's
 * body. h1/ and h2/ turn bytes into messages and back; nobody above knows which. */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/span.h"

enum http_version { HTTP_1_0 = 10, HTTP_1_1 = 11, HTTP_2 = 20, HTTP_3 = 30 };

enum http_method {
    HTTP_OTHER,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_OPTIONS,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_CONNECT,
    HTTP_TRACE,
};

/** One header field. Names are lower case, in requests as in responses. */
struct http_field {
    struct span name;
    struct span value; /**< trimmed; never holds CR, LF or NUL */
};

struct http_fields {
    struct http_field *items; /**< in the exchange's arena */
    unsigned count;
    unsigned room;
};

/** A request whose header is complete and valid. All spans live as long as the exchange. */
struct http_request {
    enum http_method method;
    enum http_version version;
    struct span method_text;
    struct span scheme; /**< "https" or "http"; by the connection for HTTP/1 */
    struct span
        authority;      /**< host[:port] as sent, valid by RFC 3986; empty for HTTP/1.0 without */
    struct span host;   /**< authority's host, lower case, without port and final dot */
    struct span target; /**< as sent, for logs */
    struct span path;   /**< as sent, still percent-encoded, begins with '/' ("*" for OPTIONS *) */
    struct span query;  /**< without '?'; ptr is NULL when there was no '?' */
    struct http_fields fields;
    struct http_fields trailers; /**< filled before on_request_end */
    int64_t content_length;      /**< -1 when not declared */
    bool has_body;               /**< a body follows (declared length > 0, chunked, or h2 DATA) */
    struct span upgrade; /**< "websocket" if the client asks for it on this connection and an answer
                            of 101 may begin a tunnel; else empty. No other protocol is known */
    int refusal; /**< 0, or the status (400, 408, 413, 414, 431, 501, 505…) that the engine demands:
                      answer with it; the engine closes the connection (h1) or the stream */
    const char *refusal_reason; /**< static text for the log */
};

/** What an answer's body is pulled from. Embed it. */
struct http_body {
    /** Writes up to `cap` bytes. It calls nothing of its exchange.
     *  @return bytes > 0; 0 at the end; -EAGAIN when nothing is there yet (http_resume() will be
     *  called); any other negative: the engine cuts the answer off so that the client can tell (h1
     *  closes, h2 resets) */
    ssize_t (*read)(struct http_body *body, char *out, size_t cap);
    /** Called exactly once, when the body is done with or the exchange dies. May be NULL. */
    void (*close)(struct http_body *body);
    /** Sent behind the body; looked at after read() returned 0 (with a declared length: after its
     *  last byte), so they may be filled until then. May be NULL. HTTP/1 sends them only with an
     *  answer of unknown length to an HTTP/1.1 client. */
    const struct http_fields *trailers;
};

/** An answer. The engine adds date, connection, content-length and transfer-encoding itself. */
struct http_response {
    int status;
    struct http_fields fields;
    int64_t content_length; /**< of the body as GET would send it; -1 when unknown. With HEAD, 204
                               and 304 no body is sent; a HEAD keeps the length */
    bool close;             /**< end the connection after this answer (h1), GOAWAY (h2) */
};

/** First field of that (lower-case) name, or NULL. */
const struct http_field *http_find(const struct http_fields *fields, struct span name);
/** The value of the first field of that name; ptr is NULL when absent. */
struct span http_value(const struct http_fields *fields, struct span name);
/** Appends a field; grows in the arena. @return 0, or ERR_LIMIT when the arena is full */
must_check int http_add(struct arena *arena, struct http_fields *fields, struct span name,
                        struct span value);
/** Replaces every field of that name by one. @return 0, or ERR_LIMIT */
must_check int http_set(struct arena *arena, struct http_fields *fields, struct span name,
                        struct span value);
/** Removes every field of that name. */
void http_unset(struct http_fields *fields, struct span name);

enum http_method http_method_of(struct span text);
const char *http_method_name(enum http_method method);
/** The reason phrase of RFC 9110 section 15, or "Unknown". */
const char *http_reason(int status);
/** A valid host[:port] of RFC 3986 (reg-name, IPv4, bracketed IPv6). */
bool http_authority_valid(struct span authority);
/** The lower-case host of a valid authority, without port, brackets kept, one final dot dropped.
 *  @return span in the arena; ptr NULL past its ceiling */
struct span http_authority_host(struct arena *arena, struct span authority);
