/* One HTTP/1 connection, seen by the two halves of its engine: input.c reads requests and their
 * bodies, server.c writes answers. One exchange at a time; what comes early waits in `kept`. */
#pragma once

#include "base/buffer.h"
#include "base/pace.h"
#include "http/engine_base.h"
#include "http/h1/answer.h"
#include "http/h1/chunked.h"
#include "http/h1/parser.h"
#include "http/h1/request.h"

enum {
    H1_PIPELINE_BYTES = 16 << 10, /**< kept input from which on no more is wanted */
    H1_RECEIVE_MAX = 256 << 10,   /**< most that one http_receive() may have to keep */
    H1_DISCARD_MAX = 64 << 10,    /**< of a body that nobody reads, to save the connection */
    H1_WINDOW_MIN = 16 << 10,     /**< bytes that an owner may hold, whatever the limit says */
    H1_INTERIM_MAX = 16 << 10,    /**< informational answers that wait for output */
};

enum h1_input {
    H1_IN_HEAD, /**< idle, or a head has begun (then `x` is set) */
    H1_IN_BODY, /**< `body_left` bytes */
    H1_IN_CHUNKS,
    H1_IN_TRAILERS,
    H1_IN_WAIT,   /**< the request is complete, its answer is not */
    H1_IN_TUNNEL, /**< after 101: bytes without meaning here */
    H1_IN_OVER,   /**< nothing more is read */
};

enum h1_output {
    H1_OUT_IDLE,  /**< no request has been announced */
    H1_OUT_ASKED, /**< announced, not answered */
    H1_OUT_HEAD,  /**< the answer's head is next */
    H1_OUT_BODY,
    H1_OUT_LAST, /**< last chunk and trailers are next */
};

/** An idle connection has this and nothing else. */
struct h1_server {
    struct http_engine engine;
    struct http_exchange *x; /**< the only one; NULL when idle or discarding a body */
    struct buffer kept;      /**< input that could not be used yet */
    size_t used;             /**< bytes of `kept` that are done with */
    struct buffer *interim;  /**< informational answers that go before the head, or NULL */
    struct pace pace;        /**< of the head or body that is arriving */
    struct h1_parser parser;
    struct h1_chunked chunks;
    uint64_t body_left;   /**< of a request body with a length */
    uint64_t answer_left; /**< of an answer with a length */
    uint32_t requests;
    uint32_t discarded; /**< bytes of this body that came after its answer */
    uint8_t in;         /**< enum h1_input */
    uint8_t out;        /**< enum h1_output */
    uint8_t framing;    /**< enum h1_body_framing of the answer */
    bool keep_alive;    /**< so far, for this exchange */
    bool expects;       /**< the client waits for 100 Continue and has sent no body */
    bool say_continue;  /**< 100 Continue is to be written */
    bool starved;       /**< the answer's body said -EAGAIN */
    bool ending;        /**< http_shutdown() */
    bool cut;           /**< the next http_produce() fails */
};

_Static_assert(sizeof(struct h1_server) <= 384, "an idle connection stays small");

extern const struct http_exchange_ops h1_exchange_ops;

/** Bytes of a body that its owner may hold before no more is wanted. */
static inline uint64_t h1_window(const struct h1_server *s)
{
    uint32_t window = s->engine.config.limits->body_window;

    return window < H1_WINDOW_MIN ? H1_WINDOW_MIN : window;
}

/** Takes bytes in: makes upcalls, keeps what cannot be used yet. @return 0, or ERR_LIMIT */
must_check int h1_input_take(struct h1_server *s, struct span bytes, nsec_t now);
/** Goes on with what was kept, after an answer is complete. */
void h1_input_continue(struct h1_server *s, nsec_t now);
/** Reads no more; what was kept is freed. */
void h1_input_stop(struct h1_server *s);
/** The answer is complete: the rest of its request's body is discarded, or the next head is due. */
void h1_input_answered(struct h1_server *s);
/** Whether the client is to send: a head that has begun, or a body whose bytes somebody takes. */
bool h1_input_awaited(const struct h1_server *s);
/** The head took too long: refused with 408. */
void h1_input_timeout(struct h1_server *s);
/** A request's body is arriving, for the exchange or to be discarded. */
bool h1_input_is_body(const struct h1_server *s);
