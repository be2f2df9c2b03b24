/* The byte-stream half of HTTP/1 and HTTP/2, for transports: bytes in, bytes out, what to wait for,
 * when to give up. An engine owns no socket and no clock. HTTP/3 has none of these: it has streams,
 * and only the exchange operations of exchange.h are common to all.
 *
 * A transport's turn: http_turn_begin; while there is something: http_receive, http_produce; then
 * http_wait and http_deadline say what the connection waits for and until when. */
#pragma once

#include <sys/types.h>

#include "http/exchange.h"

struct http_engine;
struct http_limits;

/** What the connection waits for. */
enum http_wait {
    HTTP_WAIT_IDLE,   /**< between requests, nothing pending: the transport's keep-alive deadline */
    HTTP_WAIT_HEADER, /**< a request header has begun */
    HTTP_WAIT_BODY,   /**< a request body is arriving */
    HTTP_WAIT_ANSWER, /**< the owner has not answered, or its body says -EAGAIN */
    HTTP_WAIT_WINDOW, /**< h2: answers wait for the peer's flow-control window */
    HTTP_WAIT_OUTPUT, /**< http_produce() would give bytes, or go on with kept requests */
    HTTP_WAIT_CLOSED, /**< nothing more will come or go: close once output is flushed */
};

/** Gives the engine bytes from the transport; all are consumed or kept (bounded: stop giving while
 *  http_wants_input() is false). Upcalls happen inside.
 *  @return 0, or a negative error: produce what remains, then close */
must_check int http_receive(struct http_engine *engine, struct span bytes, nsec_t now);
/** Writes output bytes. Upcalls happen inside: requests that were kept are announced here.
 *  @param cap at least 32 KiB
 *  @return bytes > 0; 0 when there is nothing now; negative: close at once (answer cut off) */
must_check ssize_t http_produce(struct http_engine *engine, char *out, size_t cap, nsec_t now);
enum http_wait http_wait(const struct http_engine *engine);
/** False while enough is buffered (pipelining, a body that its owner has not consumed, the end of
 *  a turn). on_wake says when that ends by the owner's doing. */
bool http_wants_input(const struct http_engine *engine);

/** Begins a turn: until the next call, at most `requests` requests are announced; what has come
 *  beyond them is kept. Without any call turns have no end. */
void http_turn_begin(struct http_engine *engine, unsigned requests);
/** Ends the turn early, from inside an upcall too: for an owner that sees that its time is up. */
void http_turn_end(struct http_engine *engine);
/** The turn is over: begin another one soon, without waiting for the socket. Requests may wait in
 * the engine, or in what the transport has not given it. */
bool http_turn_over(const struct http_engine *engine);

/** When the next deadline of an exchange (or of a header section) passes. Deadlines are those of
 *  http_limits or of the exchange: header, body, and waiting for the peer's window. What the
 *  transport alone sees has deadlines there: handshake, idle connections, output that the socket
 *  doesn't take. To be asked at the end of a turn, as waits begin at the first look.
 *  @return monotonic ns, or NSEC_NEVER */
nsec_t http_deadline(struct http_engine *engine, nsec_t now);
/** Ends the exchanges whose deadline has passed, and no other: on_close(HTTP_END_TIMEOUT). A header
 *  section that doesn't end is refused with 408 (h1) or ends the connection (h2). Produce
 *  afterwards. */
void http_sweep(struct http_engine *engine, nsec_t now);

/** Asks to end in good order: h1 closes after the current answer, h2 sends GOAWAY. */
void http_shutdown(struct http_engine *engine);
/** The transport is gone: closes every exchange as HTTP_END_CLIENT. */
void http_hangup(struct http_engine *engine);
/** Cuts off every exchange: on_close(`end`). For a transport whose own deadline has passed, or that
 *  gives way. */
void http_cut_off(struct http_engine *engine, enum http_end end);
/** Hangs up first if exchanges live. NULL is fine. */
void http_engine_destroy(struct http_engine *engine);
/** A reload: read anew for each request. They outlive the engine or its next call. */
void http_engine_set_limits(struct http_engine *engine, const struct http_limits *limits);

/** What the connection holds: its exchanges with their arenas, what their owners charged
 *  (http_charge()), kept input and queued output. It costs a few instructions. */
struct http_load http_load(const struct http_engine *engine);
