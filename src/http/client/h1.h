/* One HTTP/1.1 connection to a server: its state, shared by the reading half (h1_input.c) and the
 * writing half (h1_client.c). */
#pragma once

#include "base/buffer.h"
#include "http/client/engine.h"
#include "http/h1/answer.h"
#include "http/h1/chunked.h"
#include "http/h1/parser.h"

enum h1_client_input {
    H1C_IN_IDLE, /**< no call: any byte is one too many */
    H1C_IN_HEAD,
    H1C_IN_BODY, /**< `body_left` bytes */
    H1C_IN_CHUNKS,
    H1C_IN_TRAILERS,
    H1C_IN_UNTIL_EOF,
    H1C_IN_TUNNEL,
};

enum h1_client_output {
    H1C_OUT_IDLE,
    H1C_OUT_HEAD, /**< to be written, or waiting in `pending` */
    H1C_OUT_BODY,
    H1C_OUT_LAST, /**< last chunk and trailers */
    H1C_OUT_DONE,
    H1C_OUT_TUNNEL,
};

struct h1_client {
    struct http_client client;
    struct http_call *call;
    struct buffer kept;    /**< of a head or trailer section that is not complete */
    struct buffer pending; /**< a request's head that found no room at once */
    struct h1_parser parser;
    struct h1_chunked chunks;
    struct http_fields interim; /**< of 1xx, in the call's arena */
    uint64_t body_left;         /**< of the answer */
    uint64_t send_left;         /**< of a request's body with a length */
    uint8_t in;                 /**< enum h1_client_input */
    uint8_t out;                /**< enum h1_client_output */
    bool chunked;               /**< the request's body is */
    bool starved;               /**< the request's body said -EAGAIN */
    bool persistent;            /**< so far */
    bool over;
};

/** Ends the call, and the connection unless it can be used again. */
void h1_client_finish(struct h1_client *c, int error);

/** Takes bytes in, with upcalls. @return 0, or a negative error with the call ended */
must_check int h1_client_input(struct h1_client *c, struct span bytes);

/** How the answer's body is framed. */
struct h1_answer_framing {
    bool chunked;
    bool until_eof;
    bool persistent;
};

/** Fills the answer from its fields (RFC 9112 section 6.3), strictly: what two parties could read
 * in two ways is refused.
 *  @param head  whether the request was HEAD
 *  @return NULL, or what is wrong, as static text */
must_check const char *h1_answer_read(struct http_answer *answer, bool head,
                                      struct h1_answer_framing *ret_framing);

/** Bytes of a request's head. */
size_t h1_request_size(const struct http_call *call);
/** Writes it. @param chunked  whether the body goes out in chunks. @return bytes */
size_t h1_request_write(char *out, const struct http_call *call, bool chunked);
