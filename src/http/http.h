/* The version-neutral message. h1/ and h2/ turn bytes into exchanges and answers into bytes; nobody
 * above knows which. An engine owns no socket and no clock. */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/nsec.h"

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
    int refusal; /**< 0, or the status (400, 413, 414, 431, 501, 505…) that the engine
                      demands because the request is malformed or too large: answer
                      with it; the engine closes the connection (h1) or the stream */
    const char *refusal_reason; /**< static text for the log */
};

/** What an answer's body is pulled from. Embed it. */
struct http_body {
    /** Writes up to `cap` bytes. @return bytes > 0; 0 at the end; -EAGAIN when nothing is there yet
     *  (http_resume() will be called); any other negative: the engine cuts the answer off so that
     *  the client can tell (h1 closes, h2 resets) */
    ssize_t (*read)(struct http_body *body, char *out, size_t cap);
    /** Called exactly once, when the body is done with or the exchange dies. May be NULL. */
    void (*close)(struct http_body *body);
    const struct http_fields *trailers; /**< looked at after read() returned 0; may be NULL */
};

/** An answer. The engine adds date, connection, content-length and transfer-encoding itself. */
struct http_response {
    int status;
    struct http_fields fields;
    int64_t content_length; /**< of the body as GET would send it; -1 when unknown. With HEAD, 204
                               and 304 no body is sent; a HEAD keeps the length */
    bool close;             /**< end the connection after this answer (h1), GOAWAY (h2) */
};

struct h2_cells;
struct http_engine;
struct http_pool;

/** One request and its answer. Lives from the header's end to on_close. */
struct http_exchange {
    struct http_request request;
    struct http_response response; /**< as given to http_respond() */
    struct http_engine *engine;
    struct http_body *body;
    void *user;             /**< the owner's */
    nsec_t started;         /**< monotonic, when the first byte of the request was seen */
    nsec_t first_byte;      /**< when the answer's first byte was produced; 0 before */
    uint64_t body_received; /**< request body bytes so far */
    uint64_t body_sent;     /**< answer body bytes produced so far */
    uint64_t id;            /**< unique within the process: for the request id */
    bool responded;
    void *stream;       /**< the engine's: what it keeps about this exchange */
    struct list link;   /**< the engine's: its live exchanges */
    struct arena arena; /**< memory of this exchange */
};

/** How an exchange ended, for on_close. */
enum http_end {
    HTTP_END_DONE,   /**< the whole answer was handed to the transport */
    HTTP_END_CLIENT, /**< the client reset the stream or left */
    HTTP_END_SERVER, /**< we cut it off (body failed, limit, deadline) */
};

/** What an engine tells its owner, in the order in which it happens. */
struct http_events {
    /** Header complete. The owner answers now or later with http_respond(). */
    void (*on_request)(void *owner, struct http_exchange *x);
    /** Bytes of the request's body (already counted in body_received). May be NULL: dropped. */
    void (*on_body)(void *owner, struct http_exchange *x, struct span bytes);
    /** The request is complete, trailers included. May be NULL. */
    void (*on_request_end)(void *owner, struct http_exchange *x);
    /** Last call for this exchange; its memory goes right after. */
    void (*on_close)(void *owner, struct http_exchange *x, enum http_end end);
};

/** Limits of the message layer; each is a setting. */
struct http_limits {
    uint32_t header_bytes; /**< whole header section, decoded: sum of name + value + 32 for h2 */
    uint32_t header_count;
    uint32_t uri_bytes;
    uint64_t body_bytes;              /**< 413 beyond */
    uint32_t requests_per_connection; /**< then the connection ends in good order; 0: no end */
    /* HTTP/2 */
    uint32_t h2_streams;           /**< concurrent */
    uint32_t h2_resets_per_minute; /**< RST_STREAM from either side, beyond a burst of as many */
    uint32_t h2_settings_per_minute;
    uint32_t h2_pings_per_minute;
    uint32_t h2_empty_frames_per_minute; /**< empty DATA/HEADERS/CONTINUATION without END */
    uint32_t h2_continuations;           /**< CONTINUATION frames of one header block */
    uint32_t h2_window_bytes;            /**< our receive window per stream */
};

/** What an engine is given at birth; outlives it unless it says so. */
struct http_engine_config {
    const struct http_events *events;
    void *owner;
    const struct http_limits *limits; /**< read anew for each request: may be swapped by a reload
                                           through http_engine_set_limits() */
    struct http_pool *pool;
    const char *date; /**< 29 characters of IMF-fixdate that the worker keeps current */
    bool secure;      /**< scheme of this connection: https */
};

/** What the connection should wait for, so that its owner can set the right deadline. */
enum http_wait {
    HTTP_WAIT_IDLE,   /**< between requests, nothing pending */
    HTTP_WAIT_HEADER, /**< a request header has begun */
    HTTP_WAIT_BODY,   /**< a request body is arriving */
    HTTP_WAIT_ANSWER, /**< the owner has not answered, or its body says -EAGAIN */
    HTTP_WAIT_WINDOW, /**< h2: answers wait for the peer's flow-control window */
    HTTP_WAIT_OUTPUT, /**< http_produce() would give bytes */
    HTTP_WAIT_CLOSED, /**< nothing more will come or go: close once output is flushed */
};

/** The table behind an engine; h1/ and h2/ each fill one. */
struct http_engine_ops {
    int (*receive)(struct http_engine *engine, struct span bytes, nsec_t now);
    ssize_t (*produce)(struct http_engine *engine, char *out, size_t cap, nsec_t now);
    enum http_wait (*wait)(const struct http_engine *engine);
    bool (*wants_input)(const struct http_engine *engine);
    void (*respond)(struct http_engine *engine, struct http_exchange *x);
    void (*inform)(struct http_engine *engine, struct http_exchange *x, int status);
    void (*resume)(struct http_engine *engine, struct http_exchange *x);
    void (*reset)(struct http_engine *engine, struct http_exchange *x);
    void (*sweep)(struct http_engine *engine, nsec_t now, nsec_t patience, uint64_t rate);
    void (*shutdown)(struct http_engine *engine);
    void (*hangup)(struct http_engine *engine);
    void (*destroy)(struct http_engine *engine);
};

/** Embedded first in each engine's own struct. */
struct http_engine {
    const struct http_engine_ops *ops;
    struct http_engine_config config;
    struct list exchanges; /**< live ones, oldest first */
};

/** A server engine for HTTP/1.0 and 1.1. */
struct http_engine *h1_server_create(const struct http_engine_config *config);
/** A server engine for HTTP/2 over TLS (ALPN h2). */
struct http_engine *h2_server_create(const struct http_engine_config *config);

/** Gives the engine bytes from the transport; all are consumed or kept (bounded: stop giving while
 *  http_wants_input() is false). Upcalls happen inside.
 *  @return 0, or a negative error: produce what remains, then close */
must_check int http_receive(struct http_engine *engine, struct span bytes, nsec_t now);
/** Writes output bytes. @param cap at least 32 KiB. @return bytes > 0; 0 when there is nothing now;
 *  negative: close at once (answer cut off) */
must_check ssize_t http_produce(struct http_engine *engine, char *out, size_t cap, nsec_t now);
enum http_wait http_wait(const struct http_engine *engine);
/** False while enough is buffered (pipelining, back pressure). */
bool http_wants_input(const struct http_engine *engine);
/** Cuts off answers that a stream's own flow-control window has held back for `patience` ns while
 * fewer than `rate` bytes a second went out: other requests of the connection must not buy them
 * time. To be called about as often as `patience`; http_produce() follows. HTTP/1 has one answer at
 * a time, which the connection's own deadline covers. */
void http_sweep(struct http_engine *engine, nsec_t now, nsec_t patience, uint64_t rate);
/** Asks to end in good order: h1 closes after the current answer, h2 sends GOAWAY. */
void http_shutdown(struct http_engine *engine);
/** The transport is gone: closes every exchange as HTTP_END_CLIENT. */
void http_hangup(struct http_engine *engine);
/** Hangs up first if exchanges live. NULL is fine. */
void http_engine_destroy(struct http_engine *engine);
void http_engine_set_limits(struct http_engine *engine, const struct http_limits *limits);

/** Answers. `response` is copied shallowly (its spans must live in the arena or longer); `body` may
 *  be NULL for none. Output appears at the next http_produce(). Once for each exchange. */
void http_respond(struct http_exchange *x, const struct http_response *response,
                  struct http_body *body);
/** Sends an informational answer (103 without fields is not sent; 100 only if the client waits). */
void http_inform(struct http_exchange *x, int status);
/** The body that said -EAGAIN has more. */
void http_resume(struct http_exchange *x);
/** Cuts the exchange off: RST_STREAM, or closing the connection. on_close follows before return. */
void http_reset(struct http_exchange *x);

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

/** Exchanges are recycled through a pool, one a worker. `arena_ceiling` bounds one exchange. */
struct http_pool *http_pool_create(size_t arena_ceiling);
void http_pool_destroy(struct http_pool *pool);
/** For engines. Never NULL. The exchange is zeroed but for its arena and a new id. */
struct http_exchange *http_exchange_take(struct http_pool *pool);
void http_exchange_give(struct http_pool *pool, struct http_exchange *x);
/** For h2/: the memory that its sessions of one worker share. They end before the pool does. */
struct h2_cells *http_pool_cells(struct http_pool *pool);
#include "http/fetch.h"
#include "http/semantics/semantics.h"
