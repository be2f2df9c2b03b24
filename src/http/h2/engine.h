/* What the files of the HTTP/2 engine share: its state and that of its streams. Nothing outside h2/
 * includes it; the engine's face is http/http.h. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/error.h"
#include "http/h2/guard.h"
#include "http/http.h"

/** How far the connection is on its way to a good end (RFC 9113 section 6.8). */
enum h2_drain {
    H2_DRAIN_NONE,
    H2_DRAIN_NOTICE, /**< GOAWAY with the largest stream went; a PING's answer is awaited */
    H2_DRAIN_FINAL,  /**< GOAWAY with the last stream went: newer ones are not taken */
};

enum { H2_DISCARD_MAX = 64 << 10 /**< bytes of a body that are taken after the answer */ };

struct h2_stream;

struct h2_engine {
    struct http_engine base; /**< first: the owner sees only this */
    nghttp2_session *session;
    nsec_t now; /**< of the present call */
    struct h2_guard guard;
    struct list unannounced;   /**< exchanges whose header is not complete, or was malformed */
    struct h2_stream *opening; /**< whose header block is arriving, or NULL */
    struct h2_stream *current; /**< whom the owner is told about; NULL once it is gone */
    struct h2_stream *sending; /**< whose DATA frame was put out last, or NULL */
    char *out;                 /**< during produce: where output goes */
    size_t cap;
    size_t used;
    unsigned live;     /**< exchanges on both lists */
    uint32_t requests; /**< announced so far */
    enum h2_drain drain;
    int error; /**< why the connection is being cut off, or 0 */
};

/** A stream's part of an exchange; in its arena. */
struct h2_stream {
    struct http_exchange *exchange;
    int32_t id;
    uint32_t header_bytes; /**< decoded so far, trailers included: name + value + 32 each */
    uint32_t header_count;
    uint32_t cookies;   /**< cookie fields so far */
    struct span host;   /**< the host field */
    nsec_t held_since;  /**< when its window was first found empty; 0: it was not */
    uint64_t held_sent; /**< what had been sent of the answer then */
    int64_t body_left;  /**< of the answer's declared length; -1 when none was declared */
    bool announced;     /**< the owner knows it */
    bool trailing;      /**< its trailers are arriving */
    bool expects;       /**< the client waits for 100 */
    bool request_done;
    bool answered; /**< the answer's last frame is put out */
    bool deferred; /**< the answer's body said -EAGAIN */
    bool left;     /**< the client reset it */
    bool cut;      /**< we answered in the owner's place */
    char status[4];
    char length[20]; /**< content-length in digits */
};

static inline struct h2_engine *h2_of(struct http_engine *engine)
{
    return container_of(engine, struct h2_engine, base);
}

static inline struct h2_stream *h2_stream_of(struct h2_engine *h2, int32_t id)
{
    return (struct h2_stream *)nghttp2_session_get_stream_user_data(h2->session, id);
}

/** Ends the connection with GOAWAY(ENHANCE_YOUR_CALM) as soon as the present upcall returns. */
void h2_calm(struct h2_engine *h2);
/** Ends an exchange: closes its body, tells the owner, gives its memory back. */
void h2_release(struct h2_engine *h2, struct h2_stream *stream, enum http_end end);
/** Resets a stream with an error code of RFC 9113 section 7; it closes once the frame is out. */
void h2_reset_stream(struct h2_engine *h2, int32_t id, uint32_t code);

/* request.c: from header blocks and DATA to upcalls */

/** Registers what turns received frames into upcalls. */
void h2_request_callbacks(nghttp2_session_callbacks *callbacks);
/** A HEADERS frame with its whole block. @return 0, or an error of nghttp2 */
int h2_on_headers(struct h2_engine *h2, const nghttp2_frame *frame);
/** The client has sent everything. */
void h2_on_request_end(struct h2_engine *h2, struct h2_stream *stream);

/* response.c: from answers to frames */

/** Registers what turns answers into output. */
void h2_response_callbacks(nghttp2_session_callbacks *callbacks);
void h2_respond(struct http_engine *engine, struct http_exchange *x);
void h2_inform(struct http_engine *engine, struct http_exchange *x, int status);
void h2_resume(struct http_engine *engine, struct http_exchange *x);

/* server.c */

void h2_shutdown(struct http_engine *engine);
