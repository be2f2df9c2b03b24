/* One QUIC connection: ngtcp2's, with its TLS handshake and keys. Its owner gives it datagrams and
 * time, and sends what it says. */
#pragma once

#include <sys/uio.h>

#include "quic/endpoint.h"

struct quic_connection;
struct tls_context;

/** Datagrams to send. */
struct quic_batch {
    struct span bytes;
    size_t segment; /**< bytes of each but the last */
    struct quic_address local, peer;
    uint8_t ecn;
};

/** What a connection tells its owner, from inside quic_receive(), quic_produce() and quic_expire().
 *  Functions that return int return 0, or negative to end the connection with
 *  quic_fail()'s code. */
struct quic_events {
    void (*on_cid)(void *owner, const struct quic_cid *cid, bool added);
    /** The client's address is its own, and requests may come. */
    int (*on_open)(void *owner);
    /** Bytes of a stream in their order. They use the windows until quic_extend(). */
    int (*on_stream)(void *owner, int64_t id, struct span bytes, bool last);
    int (*on_acknowledged)(void *owner, int64_t id, uint64_t bytes);
    /** The stream is gone. @param code  HTTP's error, or UINT64_MAX for none */
    int (*on_closed)(void *owner, int64_t id, uint64_t code);
    /** The client resets its side (`stops` false), or wants none of ours. */
    int (*on_reset)(void *owner, int64_t id, bool stops);
    int (*on_window)(void *owner, int64_t id);
    /** Streams to send: what is next. @return pieces in `pieces`, or negative */
    ssize_t (*next)(void *owner, int64_t *ret_id, bool *ret_last, struct iovec *pieces, size_t max);
    int (*on_written)(void *owner, int64_t id, size_t bytes);
    /** The stream waits for the client's window (`shut` false), or is not to be written to. */
    int (*on_blocked)(void *owner, int64_t id, bool shut);
    void (*send)(void *owner, const struct quic_batch *batch);
};

struct quic_limits {
    uint64_t stream_window;
    uint64_t window;
    uint64_t streams;
    nsec_t handshake_timeout; /**< 0: none */
    nsec_t idle_timeout;
};

/** What a connection begins with. */
struct quic_beginning {
    struct quic_endpoint *endpoint;
    struct tls_context *tls;
    const struct quic_hello *hello;
    const struct quic_datagram *datagram; /**< that the hello came in */
    const struct quic_limits *limits;
    const struct quic_events *events;
    void *owner;
};

/** A connection that a hello begins; quic_receive() gets its datagram next. What `beginning` points
 *  to may go after the call, but for endpoint, events and owner.
 *  @return 0, or a negative error */
must_check int quic_accept(const struct quic_beginning *beginning, nsec_t now,
                           struct quic_connection **ret_connection);
/** Tells on_cid of every connection ID that is left. NULL is fine. */
void quic_destroy(struct quic_connection *c);

/** @return 0; ERR_CLOSED: destroy it, nothing more is to be said; another negative error: say
 *  quic_close(), then destroy it */
must_check int quic_receive(struct quic_connection *c, const struct quic_datagram *datagram,
                            nsec_t now);
/** Sends what there is, at most about `budget` bytes. @return 1 when more could go at once, 0, or
 * as quic_receive() */
must_check int quic_produce(struct quic_connection *c, size_t budget, nsec_t now);
/** When quic_expire() is due. */
nsec_t quic_expiry(const struct quic_connection *c);
/** @return as quic_receive(). Produce afterwards. */
must_check int quic_expire(struct quic_connection *c, nsec_t now);
/** Sends CONNECTION_CLOSE, with the error that was noted, or without one. */
void quic_close(struct quic_connection *c, nsec_t now);

/** Notes HTTP's error code for quic_close(); the first one stays. */
void quic_fail(struct quic_connection *c, uint64_t code);
/** The same with a code of QUIC itself (RFC 9000 section 20.1). */
void quic_fail_transport(struct quic_connection *c, uint64_t code);
bool quic_is_open(const struct quic_connection *c);
/** A stream of ours that only sends. @return 0, or negative when the client allows none */
must_check int quic_open_stream(struct quic_connection *c, int64_t *ret_id);
/** Gives `bytes` of the windows back: the connection's, and the stream's where id >= 0. */
void quic_extend(struct quic_connection *c, int64_t id, uint64_t bytes, bool connection);
/** The client may open one more stream for a request. */
void quic_allow_stream(struct quic_connection *c);
/** Asks the client to stop sending (`reads`), or resets our side. */
void quic_shut_stream(struct quic_connection *c, int64_t id, uint64_t code, bool reads);
/** Keeps the connection alive while the client has nothing to send; 0: not any more. */
void quic_keep_alive(struct quic_connection *c, nsec_t interval);
/** The client's address as of now. */
const struct quic_address *quic_peer(const struct quic_connection *c);
/** For logs; static text, known once it is open. */
const char *quic_cipher(const struct quic_connection *c);
bool quic_resumed(const struct quic_connection *c);
