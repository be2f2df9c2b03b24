/* One request and its answer, the same for every version of HTTP. Who answers sees this header and
 * never a connection.
 *
 * Upcalls, in the order in which they fire:
 *   on_request → on_body … → on_request_end → on_close
 *                     ↘ on_refusal (instead of the rest of the body)
 *   after an answer of 101: on_tunnel … → on_close
 *
 * Operations (http_respond, http_inform, http_resume, http_reset, http_stream_body,
 * http_discard_body, http_consume) may be called from upcalls and at any other time, but not from
 * http_body.read() of the same exchange. None of them moves bytes of the connection: they change
 * what its next http_produce() gives, and on_wake tells the connection's owner when that matters.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/nsec.h"
#include "base/pace.h"
#include "http/message.h"

struct http_exchange;

/** What a version does for an exchange. */
struct http_exchange_ops {
    void (*respond)(struct http_exchange *x);
    void (*inform)(struct http_exchange *x, int status, const struct http_fields *fields);
    void (*resume)(struct http_exchange *x);
    void (*reset)(struct http_exchange *x);
    /** `bytes` more of the body are done with; x->held is lowered already. */
    void (*consume)(struct http_exchange *x, uint64_t bytes);
};

/** What a connection's exchanges hold. */
struct http_load {
    int64_t memory;     /**< bytes */
    int descriptors;    /**< as charged */
    unsigned exchanges; /**< that live */
    uint64_t held;      /**< bytes of request bodies that were handed on and not consumed */
};

/** Lives from the header's end to on_close. */
struct http_exchange {
    struct http_request request;
    struct http_response response; /**< as given to http_respond() */
    const struct http_exchange_ops *ops;
    void *stream;           /**< the engine's: what it keeps about this exchange */
    struct http_load *load; /**< its connection's, or NULL */
    struct http_body *body;
    void *user;             /**< the owner's */
    nsec_t started;         /**< monotonic, when the first byte of the request was seen */
    nsec_t first_byte;      /**< when the answer's first byte was produced; 0 before */
    uint64_t body_received; /**< request body bytes so far */
    uint64_t body_max;      /**< 413 beyond: http_limits' body_bytes, or less as the owner says in
                                 on_request, which then looks at request.content_length itself */
    uint64_t held;          /**< of those: given to on_body and not consumed */
    uint64_t body_sent;     /**< answer body bytes produced so far */
    uint64_t id;            /**< unique within the process: for the request id */
    int64_t memory;         /**< as charged by http_charge() */
    int descriptors;        /**< the same */
    bool responded;
    bool streams_body; /**< http_stream_body() was called, http_discard_body() not */
    /** Deadlines of this exchange alone; NULL (as at the beginning): http_limits' body and answer.
     *  A handler of long streams (events, gRPC) sets its own in on_request. */
    const struct pace_bounds *body_bounds, *answer_bounds;
    struct list link;   /**< the engine's: its live exchanges */
    struct arena arena; /**< memory of this exchange */
};

/** How an exchange ended, for on_close. */
enum http_end {
    HTTP_END_DONE,    /**< the whole answer was handed to the transport */
    HTTP_END_CLIENT,  /**< the client reset the stream or left */
    HTTP_END_SERVER,  /**< we cut it off (body failed, limit, http_reset()) */
    HTTP_END_TIMEOUT, /**< the client let a deadline pass: its body or its window did not come */
};

/** What an engine tells its owner. The owner may call any operation on any exchange from inside,
 *  also http_reset() on the one that it is told about; it must not call http_receive(),
 *  http_produce(), http_sweep(), http_hangup() or http_engine_destroy() of the same engine. */
struct http_events {
    /** Header complete. The owner answers now or later with http_respond(). Requests that the
     *  engine refuses come here too: then request.refusal is set and no body follows. */
    void (*on_request)(void *owner, struct http_exchange *x);
    /** Bytes of the body of an exchange that streams it (already counted in body_received). They
     *  are gone after the call, and count against the client's window until http_consume(). May be
     *  NULL if no exchange streams. */
    void (*on_body)(void *owner, struct http_exchange *x, struct span bytes);
    /** The body broke its framing (400) or a limit (413) before the answer began:
     *  request.refusal says which. The owner answers from inside with http_respond(); else the
     *  engine sends the bare status. on_close follows when that answer is out. May be NULL. */
    void (*on_refusal)(void *owner, struct http_exchange *x);
    /** The request is complete, trailers included. Not called once the answer is complete. May be
     *  NULL. */
    void (*on_request_end)(void *owner, struct http_exchange *x);
    /** Bytes of a tunnel, which an answer of 101 began (request.upgrade). They count against the
     *  window like those of a body; those of the other way come from the answer's body, whose end
     * is the tunnel's. NULL for owners that never answer 101. */
    void (*on_tunnel)(void *owner, struct http_exchange *x, struct span bytes);
    /** Last call for this exchange; its memory goes right after. It comes as soon as the answer is
     *  complete, even if the client is still sending its body: what follows is discarded. */
    void (*on_close)(void *owner, struct http_exchange *x, enum http_end end);
    /** An operation that was called outside of http_receive(), http_produce() and http_sweep()
     *  gave the engine something to do: it has output where there was none, or wants input again.
     *  Called at most once until the next http_receive() or http_produce(). It comes from inside
     *  that operation: only note that the connection is due, and drive it from the event loop. May
     *  be NULL. */
    void (*on_wake)(void *owner);
};

/** Answers. `response` is copied shallowly (its spans must live in the arena or longer); `body` may
 *  be NULL for none. Output appears at the next http_produce(). Once for each exchange; a second
 *  call closes `body` and does nothing else. */
void http_respond(struct http_exchange *x, const struct http_response *response,
                  struct http_body *body);
/** Sends an informational answer before the final one. 100 goes out only if the client waits for it
 *  (nothing else sends it: the owner asks for the body of "expect: 100-continue"); HTTP/1.0 gets
 *  none.
 *  @param status  100, or 102..199
 *  @param fields  NULL for none; copied before the return */
void http_inform(struct http_exchange *x, int status, const struct http_fields *fields);
/** The body that said -EAGAIN has more, or has ended. */
void http_resume(struct http_exchange *x);
/** Cuts the exchange off: RST_STREAM, or closing the connection. on_close follows before return. */
void http_reset(struct http_exchange *x);

/** The owner wants the request's body: on_body gets it, and each byte takes from the client's
 *  window until http_consume(). Without this call the body is read and dropped, which is right for
 *  owners that look at the header only. To be called from on_request. The client can have at most
 *  http_limits.body_window bytes under way (HTTP/1: and those of one http_receive()). */
void http_stream_body(struct http_exchange *x);
/** The owner wants no more of the body: what it holds is given back, and what comes is dropped. */
void http_discard_body(struct http_exchange *x);
/** Gives `bytes` of the window back, at most what is held; any time until on_close. */
void http_consume(struct http_exchange *x, uint64_t bytes);

/** Counts what the owner holds for the sake of this exchange (bytes beyond its arena, open
 *  descriptors) in http_load() of its connection. Negative numbers give back; on_close gives back
 *  the rest. */
void http_charge(struct http_exchange *x, int64_t memory, int descriptors);
