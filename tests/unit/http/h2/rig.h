/* A server engine between an owner that answers by the path and a client: nghttp2's, or frames made
 * by hand. Everything is in memory; time stands still until a test moves it. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"

enum { RIG_STREAMS = 256, RIG_OUT = 1 << 16, RIG_ORDER = 4096 };

/** What the client saw of one stream (by stream id / 2). */
struct rig_stream {
    int status;
    char headers[1024]; /**< "name: value\n" each, informational ones too */
    char trailers[256];
    uint64_t body_bytes;
    bool body_right; /**< every byte was the one expected at its place */
    bool ended;      /**< END_STREAM came */
    bool closed;
    uint32_t code; /**< of RST_STREAM, or 0 */
};

struct rig_body {
    struct http_body body;
    uint64_t at, size;
    uint64_t stall_at; /**< -EAGAIN once before this byte; 0: never */
    uint64_t fail_at;  /**< an error from this byte on; 0: never */
    uint64_t short_at; /**< ends early there; 0: never */
};

struct rig {
    struct http_pool *pool;
    struct http_limits limits;
    struct http_engine *engine;
    nsec_t now;
    nghttp2_session *client; /**< NULL in raw mode */
    nghttp2_hd_deflater *deflater;
    bool secure;
    /* the owner */
    bool hold; /**< does not answer by itself */
    bool on_request_resets;
    bool keeps_body;    /**< consumes nothing by itself */
    bool drops_body;    /**< does not stream */
    int refusal_status; /**< what it answers a refused body with; 0: leaves that to the engine */
    unsigned wakes, refusals;
    struct http_response response; /**< what it answers with, but for the length */
    struct http_exchange *last;    /**< while it lives */
    struct http_exchange *held[RIG_STREAMS];
    unsigned held_count;
    unsigned requests, request_ends, bodies_closed, bodies_made;
    unsigned closes[4]; /**< by enum http_end */
    uint64_t upload_bytes;
    char seen[4096]; /**< the last request, as text */
    int refusal;
    struct rig_body *last_body;
    /* what came out */
    int error;   /**< of http_receive or http_produce */
    long goaway; /**< code of the last GOAWAY, or -1 */
    int32_t goaway_last;
    unsigned goaways, resets_out, frames_out, pings_out;
    uint32_t reset_code;
    uint32_t window_back[2];  /**< bytes of WINDOW_UPDATE: connection, streams */
    int32_t order[RIG_ORDER]; /**< stream of each DATA frame */
    unsigned order_count;
    struct rig_stream streams[RIG_STREAMS];
    char pending[RIG_OUT]; /**< of a frame's header */
    size_t pending_len;
    size_t produce_cap;
};

/** Defaults: roomy limits, nghttp2 client. `raw`: no client, only frames by hand. */
void rig_start(struct rig *rig, bool raw);
/** With limits that the test has set in rig->limits after rig_init(). */
void rig_init(struct rig *rig);
void rig_open(struct rig *rig, bool raw);
void rig_stop(struct rig *rig);

/** Moves bytes both ways until nothing moves. */
void rig_pump(struct rig *rig);
/** Takes the engine's output without handing it to the client. @return bytes */
size_t rig_drain(struct rig *rig);
/** The client asks. `extra` is "name: value\n…" or NULL. @return the stream */
int32_t rig_ask(struct rig *rig, const char *method, const char *path, const char *extra);
/** The same with a body of `size` bytes and a trailer if wanted. */
int32_t rig_post(struct rig *rig, const char *path, const char *extra, uint64_t size, bool trailer);
struct rig_stream *rig_at(struct rig *rig, int32_t id);

/* raw frames */
void rig_preface(struct rig *rig);
int rig_feed(struct rig *rig, const void *bytes, size_t len);
int rig_frame(struct rig *rig, uint8_t type, uint8_t flags, int32_t id, const void *payload,
              size_t len);
/** A HEADERS frame. `lines` is "name: value\n…". */
int rig_headers(struct rig *rig, int32_t id, const char *lines, uint8_t flags);
/** An ordinary GET. */
int rig_get(struct rig *rig, int32_t id);

/** The owner answers an exchange that it held back: by path "/SIZE", see rig.c. */
void rig_answer(struct rig *rig, struct http_exchange *x);
