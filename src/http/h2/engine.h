/* What the files of the HTTP/2 engine share: its state and that of its streams. Nothing outside h2/
 * includes it; its callers see http/engine.h and http/exchange.h. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/buffer.h"
#include "http/engine_base.h"
#include "http/h2/closed.h"
#include "http/h2/guard.h"
#include "http/h2/hpack.h"

/** How far the connection is on its way to a good end (RFC 9113 section 6.8). */
enum h2_drain {
    H2_DRAIN_NONE,
    H2_DRAIN_NOTICE, /**< GOAWAY with the largest stream went; a PING's answer is awaited */
    H2_DRAIN_FINAL,  /**< GOAWAY with the last stream went: newer ones are not taken */
};

enum {
    H2_KEPT_MAX = 256 << 10, /**< input that waits for another turn */
    H2_LINGER = 64 << 10,    /**< bytes of window that follow an answer; half of it is let in */
    H2_FRAME_HEADER = 9,
    H2_FRAME_MAX = 16384,    /**< payload of a frame, in and out (RFC 9113 section 4.2) */
    H2_WINDOW_FIRST = 65535, /**< of a stream and of the connection (section 6.9.2) */
    H2_WINDOW_MAX = INT32_MAX,
    H2_ENTRIES_MAX = 32, /**< of one SETTINGS frame */
    H2_LEAD_MAX = H2_ENTRIES_MAX * 6,
    H2_URGENCIES = 8, /**< RFC 9218 section 4.1 */
    H2_BUCKETS = 64,  /**< of the table of streams */
    H2_PROMISES = 8,  /**< priorities that are remembered for requests to come */
};

struct h2_stream;

/** A priority of RFC 9218. */
struct h2_priority {
    uint8_t urgency;
    bool incremental;
};

/** Where in the received bytes we are. */
struct h2_input {
    enum {
        H2_AT_PREFACE,
        H2_AT_HEADER,  /**< of a frame */
        H2_AT_LEAD,    /**< bytes that are looked at together */
        H2_AT_CONTENT, /**< bytes that are handed on as they come */
        H2_AT_PADDING,
    } stage;
    uint8_t type; /**< of the present frame */
    uint8_t flags;
    uint32_t id;
    uint32_t length;
    uint32_t have; /**< bytes of the preface, header or lead that came in pieces */
    uint32_t lead; /**< bytes of it */
    uint32_t content;
    uint32_t padding;
    uint32_t block;       /**< stream of the header block that has begun; 0: none */
    bool block_ends;      /**< and END_STREAM stood there */
    uint32_t block_bytes; /**< decoded so far: name + value + 32 each */
    uint32_t block_count;
    uint8_t bytes[H2_LEAD_MAX];
};

struct h2_engine {
    struct http_engine base; /**< first: the owner sees only this */
    nsec_t now;              /**< of the present call */
    struct h2_guard guard;
    int error; /**< why the connection is being cut off, or 0 */
    enum h2_drain drain;
    bool client_leaves; /**< its GOAWAY came */
    bool settled;       /**< the client's first SETTINGS came */
    bool acknowledged;  /**< the client has taken our SETTINGS */
    bool no_priorities; /**< the client's first SETTINGS: no priorities of RFC 7540 */
    /* what comes */
    struct h2_input in;
    struct buffer kept;      /**< input that came when the turn was over */
    size_t kept_used;        /**< bytes of it that are done with */
    uint64_t received;       /**< bytes in all */
    uint64_t header_from;    /**< `received` when the present header section began */
    struct pace header_pace; /**< of it, or of the client's preface */
    nghttp2_hd_inflater *inflater;
    nghttp2_mem memory;    /**< of the decoder, which keeps its address */
    uint32_t last_id;      /**< highest stream that the client has begun */
    uint32_t last_taken;   /**< highest that was announced: what GOAWAY says */
    uint32_t requests;     /**< announced so far */
    uint32_t streams_told; /**< what our SETTINGS said */
    int32_t window_told;
    int32_t window;            /**< of the connection: what the client may send still */
    int32_t window_size;       /**< what it is raised to */
    struct h2_stream *opening; /**< whose header block is arriving, or NULL */
    struct h2_stream *current; /**< whom the owner is told about; NULL once it is gone */
    struct {
        uint32_t id;
        struct h2_priority priority;
    } promises[H2_PROMISES];
    unsigned next_promise;
    /* who there is */
    struct list unannounced; /**< exchanges whose header is not complete, or was malformed */
    struct h2_stream *buckets[H2_BUCKETS];
    struct list half_closed; /**< streams that were answered before their request was complete */
    unsigned live;           /**< streams on the three lists: what the client counts as open */
    struct h2_closed closed; /**< streams that are no more */
    /* what goes */
    struct h2_hpack hpack;
    struct buffer queue;  /**< whole frames that go before all others */
    unsigned queued;      /**< about as many */
    unsigned acks;        /**< answers to SETTINGS and PING among them */
    struct list starting; /**< streams whose header or trailers are to go, by `turn` */
    unsigned starting_count;
    struct list ready[H2_URGENCIES]; /**< streams with DATA to send and a window for it */
    struct list doomed;              /**< streams that we have reset: they end at the next output */
    int32_t send_window;             /**< of the connection */
    struct pace window_pace;         /**< how the client opens it */
    uint64_t data_sent;              /**< bytes of DATA in all */
    int32_t send_window_told;        /**< of a new stream, by the client's SETTINGS */
    struct h2_stream *sending;       /**< whose body is being read; NULL once it is gone */
    char *out;                       /**< during produce: where output goes */
    size_t cap;
    size_t used;
};

/** A stream's part of an exchange; in its arena. */
struct h2_stream {
    struct http_exchange *exchange;
    struct h2_engine *h2;
    struct h2_stream *next; /**< in its bucket */
    struct list turn;       /**< in `starting`, `ready` or `doomed`, or alone */
    uint32_t id;
    uint32_t cookies;        /**< cookie fields so far */
    struct span host;        /**< the host field */
    int32_t window;          /**< what the client may send still */
    int32_t send_window;     /**< below 0 after a SETTINGS that lowered it (section 6.9.2) */
    struct pace body_pace;   /**< how its request's body comes */
    struct pace answer_pace; /**< how the client opens its window */
    int64_t body_left;       /**< of the answer's declared length; -1 when none was declared */
    struct h2_priority priority;
    uint8_t pseudo;   /**< which pseudo-headers came */
    bool regular;     /**< a field that is none came */
    bool prioritised; /**< by a PRIORITY_UPDATE, which outdoes the field */
    bool announced;   /**< the owner knows it */
    bool trailing;    /**< its trailers are arriving */
    bool expects;     /**< the client waits for 100 */
    bool request_done;
    bool begun;    /**< the answer's header is put out */
    bool starting; /**< stands in `starting` */
    bool ending;   /**< the answer's trailers are due */
    bool answered; /**< the answer's last frame is put out: about to end */
    bool deferred; /**< the answer's body said -EAGAIN */
    bool left;     /**< the client reset it */
    bool reset;    /**< we did */
    bool cut;      /**< we answered in the owner's place */
};

static inline struct h2_engine *h2_of(struct http_engine *engine)
{
    return container_of(engine, struct h2_engine, base);
}

/* streams.c: which there are, and their ends */

/** A new stream of the client's with an exchange. @return NULL past the memory's ceiling */
struct h2_stream *h2_stream_make(struct h2_engine *h2, uint32_t id);
/** The stream, or NULL when it is not open. */
struct h2_stream *h2_stream_of(struct h2_engine *h2, uint32_t id);
/** Resets a stream with an error code of RFC 9113 section 7. It closes at the next output, so that
 *  its owner may be on the stack. */
void h2_stream_reset(struct h2_engine *h2, struct h2_stream *stream, uint32_t code);
/** Ends an exchange: closes its body, tells the owner, gives its memory back. */
void h2_release(struct h2_engine *h2, struct h2_stream *stream, enum http_end end);
/** Releases it in the way that its own doings call for. */
void h2_close(struct h2_engine *h2, struct h2_stream *stream);
void h2_release_all(struct h2_engine *h2, enum http_end end);

/* half_closed.c: streams that were answered early */

/** Remembers a stream whose answer is complete, before its exchange is released. */
void h2_half_close(struct h2_engine *h2, struct h2_stream *stream);
/** A DATA frame, HEADERS, or RST_STREAM has come for it. @return false: there is no such stream */
must_check bool h2_half_closed_data(struct h2_engine *h2, uint32_t id);
must_check bool h2_half_closed_trailers(struct h2_engine *h2, uint32_t id);
bool h2_half_closed_reset(struct h2_engine *h2, uint32_t id);
nsec_t h2_half_closed_deadline(struct h2_engine *h2, nsec_t now);
void h2_half_closed_sweep(struct h2_engine *h2, nsec_t now);
void h2_half_closed_forget(struct h2_engine *h2);

/* input.c: from bytes to frames */

/** Takes received bytes; h2->error says whether the connection may go on. */
void h2_input(struct h2_engine *h2, struct span bytes);

/* control.c: frames that carry no message */

/** Takes SETTINGS, PING, GOAWAY, RST_STREAM, WINDOW_UPDATE, PRIORITY and PRIORITY_UPDATE, whose
 *  first `len` bytes are given; length and stream are right. */
void h2_control(struct h2_engine *h2, const uint8_t *bytes, size_t len);
/** Counts the DATA frame that begins against the windows. @return false: not to be looked at */
bool h2_count_data(struct h2_engine *h2, struct h2_stream *stream);
/** The client's window of the stream when nothing is under way. */
int32_t h2_window_size(const struct h2_engine *h2);
/** Gives the client back what is used of the stream's window and not held, once that is worth a
 *  frame. */
void h2_restore_window(struct h2_engine *h2, struct h2_stream *stream);
/** A stream's priority by the text of RFC 9218. */
void h2_prioritise(struct h2_engine *h2, struct h2_stream *stream, struct span text);
/** The priority that was announced before the stream began. */
void h2_keep_promise(struct h2_engine *h2, struct h2_stream *stream);

/* block.c: header blocks */

/** A HEADERS frame begins: says whom its fields are for. */
void h2_block_begin(struct h2_engine *h2);
/** Decodes a piece of the block. */
void h2_block_take(struct h2_engine *h2, const uint8_t *bytes, size_t len, bool last);

/* request.c: from fields and DATA to upcalls */

/** A field of the block of `opening`. */
void h2_on_field(struct h2_engine *h2, struct span name, struct span value);
/** The block's fields pass the limits, or its memory is used up. */
void h2_too_large(struct h2_engine *h2, struct h2_stream *stream);
/** The whole block of `opening` has come. */
void h2_on_block(struct h2_engine *h2);
void h2_on_data(struct h2_engine *h2, struct h2_stream *stream, struct span bytes);
/** END_STREAM came with DATA or trailers. */
void h2_on_end(struct h2_engine *h2, struct h2_stream *stream);

/* response.c: from answers to frames */

/** Puts an answer on its way. */
void h2_respond(struct h2_engine *h2, struct h2_stream *stream);
extern const struct http_exchange_ops h2_exchange_ops;
/** Puts out a stream's header or trailers. @return false: it needs an emptier output */
must_check bool h2_put_head(struct h2_engine *h2, struct h2_stream *stream);
/** Puts out a DATA frame. @return false: it needs an emptier output */
must_check bool h2_put_data(struct h2_engine *h2, struct h2_stream *stream);

/* deadlines.c: who keeps whom waiting */

nsec_t h2_deadline(struct http_engine *engine, nsec_t now);
void h2_sweep(struct http_engine *engine, nsec_t now);

/* output.c: what goes when */

/** Queues a frame that goes before all others. */
void h2_queue(struct h2_engine *h2, uint8_t type, uint8_t flags, uint32_t id, struct span payload);
void h2_queue_code(struct h2_engine *h2, uint8_t type, uint32_t id, uint32_t code);
void h2_queue_goaway(struct h2_engine *h2, uint32_t last, uint32_t code);
/** Writes a frame's header. */
void h2_put_frame(void *at, size_t length, uint8_t type, uint8_t flags, uint32_t id);
/** Lets a stream send DATA if it has a reason and a window. */
void h2_make_ready(struct h2_engine *h2, struct h2_stream *stream);
/** Lets a stream send its header or trailers. */
void h2_make_starting(struct h2_engine *h2, struct h2_stream *stream);
/** Takes a stream out of every queue. */
void h2_take_out(struct h2_engine *h2, struct h2_stream *stream);
bool h2_has_output(const struct h2_engine *h2);
/** Fills h2->out. */
void h2_output(struct h2_engine *h2);

/* server.c */

/** Goes on with input that was kept. */
void h2_input_continue(struct h2_engine *h2);
/** Ends the connection with GOAWAY and an error code of RFC 9113 section 7. */
void h2_fail(struct h2_engine *h2, uint32_t code);
/** The same for a peer that passes a budget. */
void h2_calm(struct h2_engine *h2);
/** Says GOAWAY with the last stream that was taken. */
void h2_last_word(struct h2_engine *h2);
void h2_shutdown(struct http_engine *engine);

static inline uint32_t h2_get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void h2_set32(uint8_t *bytes, uint32_t number)
{
    bytes[0] = (uint8_t)(number >> 24);
    bytes[1] = (uint8_t)(number >> 16);
    bytes[2] = (uint8_t)(number >> 8);
    bytes[3] = (uint8_t)number;
}
