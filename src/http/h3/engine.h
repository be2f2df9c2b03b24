/* What the files of the HTTP/3 engine share. Nothing outside h3/ includes it. */
#pragma once

#include <nghttp3/nghttp3.h>

#include "base/error.h"
#include "http/engine_base.h"
#include "http/h3/h3.h"

enum {
    H3_CHUNK = 16 * 1024,        /* of an answer's body, read at a time */
    H3_UNACKNOWLEDGED = 2 << 20, /* most bytes of bodies that a connection has under way */
    H3_BLOCKED_STREAMS = 16,     /* that wait for the client's QPACK encoder */
    H3_TABLE = 4096,             /* bytes of the dynamic table that its encoder may use */
    H3_CHATTER = 256 * 1024,     /* bytes that carry no body, beside those of each request */
    H3_WORTH = 4096,             /* of them that a request brings its client */
};

/** Bytes of a body that wait to be acknowledged. */
struct h3_chunk {
    struct h3_chunk *next;
    size_t len;
    char bytes[];
};

/** A request's stream. It outlives its exchange until QUIC has closed it. */
struct h3_stream {
    struct list link;               /**< in h3->streams */
    struct list end;                /**< in h3->ended, or alone */
    struct http_exchange *exchange; /**< NULL once it has ended */
    struct h3_engine *h3;
    int64_t id;
    struct h3_chunk *chunks, **chunks_end;
    uint64_t acknowledged; /**< of the first chunk */
    int64_t body_left;     /**< of the answer's declared length; -1 when none was declared */
    uint64_t written;      /**< bytes given to QUIC */
    struct pace header_pace, body_pace, answer_pace;
    uint32_t header_bytes, header_count; /**< decoded so far: name + value + 32 each */
    uint32_t cookies;
    struct span host;
    enum http_end how; /**< it ended */
    bool announced;
    bool expects;
    bool request_done;
    bool responded; /**< the answer's header is nghttp3's */
    bool deferred;  /**< the answer's body said -EAGAIN */
    bool full;      /**< too much is unacknowledged */
    bool blocked;   /**< the client's window of the stream is used up */
    bool answered;  /**< the last of the answer was given to nghttp3 */
    bool cut;       /**< the body is not looked at any more */
    bool reset;     /**< it was cut off */
    bool gone;      /**< QUIC has closed it */
};

struct h3_engine {
    struct http_engine base; /**< first: the owner sees only this */
    nghttp3_conn *http;
    const struct h3_transport *table;
    void *transport;
    nsec_t now;
    struct list streams;    /**< of requests */
    struct list ended;      /**< streams whose exchange is to be released */
    struct h3_chunk *spare; /**< one chunk that is kept */
    size_t unacknowledged;  /**< bytes in chunks */
    size_t chunk_bytes;     /**< what they take in memory */
    unsigned full;          /**< streams that wait for acknowledgements */
    uint64_t data_sent;     /**< bytes of bodies that the client has acknowledged */
    struct pace window_pace;
    uint64_t chatter; /**< bytes that carried no body */
    uint64_t bodies;  /**< bytes that did */
    nsec_t resets;    /**< a bucket: when it would be full again */
    uint32_t requests;
    uint64_t code; /**< error to close with, 0: none */
    nsec_t ending_since;
    bool ending; /**< no more requests are taken */
    bool shut;   /**< the last GOAWAY is told */
    bool dead;
};

static inline struct h3_engine *h3_of(struct http_engine *engine)
{
    return container_of(engine, struct h3_engine, base);
}

/* streams.c */
struct h3_stream *h3_stream_make(struct h3_engine *h3, int64_t id);
/** The stream of a request, or NULL. */
struct h3_stream *h3_stream_of(struct h3_engine *h3, int64_t id);
/** Its exchange ends at the next h3_settle(), or with h3_stream_release(). */
void h3_stream_end(struct h3_stream *stream, enum http_end how);
/** Ends its exchange now. */
void h3_stream_release(struct h3_stream *stream, enum http_end how);
/** Cuts it off with an error in both directions. */
void h3_stream_reset(struct h3_stream *stream, uint64_t code);
void h3_stream_free(struct h3_stream *stream);
/** The client wants no more of its exchange, or has broken the message. */
void h3_stream_lost(struct h3_stream *stream);
/** Notes an error to close the connection with. @return ERR_PROTOCOL */
must_check int h3_fail(struct h3_engine *h3, uint64_t code);
/** One reset more. @return false when there are too many */
must_check bool h3_count_reset(struct h3_engine *h3);

/* request.c */
void h3_request_callbacks(nghttp3_callbacks *callbacks);
/** A request that the client broke reaches its owner, so that it is logged and judged. */
void h3_announce_malformed(struct h3_stream *stream);

/* answer.c */
extern const struct http_exchange_ops h3_exchange_ops;
void h3_answer_callbacks(nghttp3_callbacks *callbacks);
/** Bodies that waited for acknowledgements go on. */
void h3_unfill(struct h3_engine *h3);
void h3_shutdown(struct http_engine *engine);

/** How long requests that were under way when GOAWAY went are waited for. */
#define H3_LAST_REQUESTS NSEC_PER_SEC

/* deadlines.c */
nsec_t h3_deadline(struct http_engine *engine, nsec_t now);
void h3_sweep(struct http_engine *engine, nsec_t now);
