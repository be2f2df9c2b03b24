/* The client side of HTTP: requests go out to a server, and answers come back, without sockets and
 * clocks. A client is one connection; a call is one request and its answer. */
#pragma once

#include "base/arena.h"
#include "http/message.h"

struct http_client;
struct http_call;

/** What a call tells its owner, in the order in which it happens. None may be NULL. Inside each,
 *  http_call_cancel() is allowed. */
struct http_call_events {
    /** An informational answer, 103 and the like; 100 is not told. The fields are valid within. */
    void (*on_inform)(struct http_call *call, int status, const struct http_fields *fields);
    /** The answer's head is complete: call->answer. A 101 begins a tunnel: from then on bodies of
     *  both ways are raw bytes. */
    void (*on_answer)(struct http_call *call);
    /** Bytes of the answer's body. Give them back with http_call_consume(). */
    void (*on_body)(struct http_call *call, struct span bytes);
    /** Last event, exactly once, but not after http_call_cancel().
     *  @param error  0: the answer is whole, trailers included; ERR_CLOSED: the connection ended;
     *  ERR_SYNTAX, ERR_PROTOCOL: not HTTP, or cut short; ERR_LIMIT: a head too large; call->reason
     *  says what. With call->received 0 the server may not have seen the request */
    void (*on_end)(struct http_call *call, int error);
};

struct http_answer {
    int status;
    enum http_version version;
    struct http_fields fields;   /**< as sent, hop-by-hop fields included */
    struct http_fields trailers; /**< filled before on_end */
    int64_t content_length;      /**< as declared; -1: not */
    bool has_body;               /**< false for HEAD, 204, 304 and for length 0 */
};

/** One request and its answer. Embed it, zeroed but for what is marked "owner"; it lives until
 *  on_end or http_call_cancel(). */
struct http_call {
    const struct http_call_events *events; /**< owner */
    struct span method;                    /**< owner */
    struct span target;                    /**< owner: origin-form, or "*" */
    struct span authority;                 /**< owner: for Host */
    const struct http_fields *fields;      /**< owner: names in lower case; the engine adds host,
                                              connection, content-length and transfer-encoding */
    int64_t content_length; /**< owner: of the body; -1: unknown, so it goes out in chunks. 0 with
                               no body writes no field but for methods that have a body otherwise */
    struct http_body *body; /**< owner: NULL for none. close() is not called */
    struct span upgrade;    /**< owner: the one protocol asked for; empty for none */
    struct arena *arena;    /**< owner: for the answer's fields */
    size_t window; /**< owner: bytes of the answer's body that nobody consumed, from which on no
                      more input is wanted */

    struct http_answer answer;
    uint64_t sent;      /**< bytes of the request's body that were handed out */
    uint64_t received;  /**< bytes on the wire since the request began */
    bool answered;      /**< on_answer was called */
    bool request_sent;  /**< the whole request was handed out */
    const char *reason; /**< static text to an error, for the log */

    struct http_client *client; /**< the engine's; NULL: not under way */
    size_t held;                /**< bytes given to on_body and not consumed */
    void *stream;               /**< the engine's */
};

struct http_client_limits {
    uint32_t header_bytes; /**< of a head */
    uint32_t header_count;
};

/** A client that speaks HTTP/1.1 over one connection: one call at a time.
 *  @param limits  live as long as the client */
struct http_client *h1_client_create(const struct http_client_limits *limits);
/** Ends the call under way, as http_client_eof() would. NULL is fine. */
void http_client_destroy(struct http_client *client);

/** Begins a call; http_client_produce() then has output. Only while http_client_is_free(). */
void http_client_call(struct http_client *client, struct http_call *call);
/** May a call begin? False once the connection can't be used any more. */
bool http_client_is_free(const struct http_client *client);
/** Nothing more will come of this connection: close it. */
bool http_client_is_over(const struct http_client *client);

/** Takes bytes of the server. Upcalls happen inside.
 *  @return 0; a negative error: the connection has to be closed, and its calls have ended */
must_check int http_client_receive(struct http_client *client, struct span bytes);
/** The server sends no more.
 *  @param clean  by FIN or close_notify; false: reset, or TLS was cut off */
void http_client_eof(struct http_client *client, bool clean);
/** Writes output. @param cap  at least 16 KiB. @return bytes; 0: nothing now; a negative error: the
 *  body of a request broke off; close the connection, its calls have ended */
must_check ssize_t http_client_produce(struct http_client *client, char *out, size_t cap);
/** False while enough of bodies waits to be consumed. */
bool http_client_wants_input(const struct http_client *client);

/** The request's body that said -EAGAIN has more. */
void http_call_resume(struct http_call *call);
/** So many bytes of on_body() are done with. */
void http_call_consume(struct http_call *call, size_t count);
/** Gives the call up; no event follows. Its connection is over, unless calls share it. */
void http_call_cancel(struct http_call *call);
