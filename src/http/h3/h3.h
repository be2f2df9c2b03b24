/* The HTTP/3 server engine (RFC 9114): requests and answers over the streams of a QUIC connection.
 * It knows no QUIC: a transport gives it bytes of streams and asks what to send. Of http/engine.h,
 * http_wait(), http_deadline(), http_sweep(), http_shutdown(), http_hangup(), http_cut_off(),
 * http_engine_destroy(), http_engine_set_limits() and http_load() work on it; it has no byte stream
 * for the others.
 */
#pragma once

#include <sys/uio.h>

#include "http/server.h"

/** What the engine asks of its connection, from inside any call. */
struct h3_transport {
    /** Bytes are done with: of the stream's window (id >= 0), and of the connection's. */
    void (*extend)(void *transport, int64_t id, uint64_t bytes, bool connection);
    /** STOP_SENDING (`reads`) or RESET_STREAM with an error of RFC 9114 section 8.1. */
    void (*shut)(void *transport, int64_t id, uint64_t code, bool reads);
    /** A request's stream is gone: the client may open another one. */
    void (*allow)(void *transport);
};

/** @param transport  what `table`'s functions get */
struct http_engine *h3_server_create(const struct http_engine_config *config,
                                     const struct h3_transport *table, void *transport);
/** The three streams of ours that only send. To be called once, first. @return 0, or negative */
must_check int h3_begin(struct http_engine *engine, int64_t control, int64_t encoder,
                        int64_t decoder);

/* Each returns 0, or negative: the connection is to be closed with h3_code(). */

/** Bytes of a stream in their order. Upcalls happen inside. */
must_check int h3_receive(struct http_engine *engine, int64_t id, struct span bytes, bool last,
                          nsec_t now);
must_check int h3_acknowledged(struct http_engine *engine, int64_t id, uint64_t bytes);
/** The stream is gone. @param code  the error that ended it, or UINT64_MAX */
must_check int h3_closed(struct http_engine *engine, int64_t id, uint64_t code, nsec_t now);
/** The client has reset its side, or wants none of ours (`stops`). */
must_check int h3_client_reset(struct http_engine *engine, int64_t id, bool stops, nsec_t now);
/** The client's window has room again. */
must_check int h3_unblock(struct http_engine *engine, int64_t id);
/** What is to go next, valid until the stream is acknowledged so far.
 *  @return pieces in `pieces` (0: nothing, *ret_id is -1, or the end of the stream alone) */
must_check ssize_t h3_next(struct http_engine *engine, int64_t *ret_id, bool *ret_last,
                           struct iovec *pieces, size_t max, nsec_t now);
must_check int h3_written(struct http_engine *engine, int64_t id, size_t bytes);
/** The stream cannot take more now; `shut`: not ever. */
must_check int h3_blocked(struct http_engine *engine, int64_t id, bool shut);
/** To be called after each turn of input and output: exchanges whose answer has gone end here. */
void h3_settle(struct http_engine *engine, nsec_t now);

/** What the connection ends with. */
uint64_t h3_code(const struct http_engine *engine);

enum { H3_NO_ERROR = 0x100, H3_EXCESSIVE_LOAD = 0x107 };
