/* A fetch, as its callers and the two engines behind it share it. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/buffer.h"
#include "http/http.h"

struct http_fetch_answer {
    int status;
    int version;
    unsigned oddities;         /**< enum http_fetch_oddity */
    struct http_fields fields; /**< names in lower case */
};

struct http_fetch {
    struct http_fetch_answer answer;
    struct arena arena;
    bool complete;
    int error;
    struct buffer output; /* HTTP/1: the request, until it is taken */
    struct buffer input;  /* HTTP/1: the head so far */
    nghttp2_session *h2;
    int32_t stream;
    size_t head_bytes; /* HTTP/2: decoded so far */
};

must_check int fetch_h1_begin(struct http_fetch *fetch, const struct http_fetch_request *request);
must_check int fetch_h1_input(struct http_fetch *fetch, struct span bytes);
must_check int fetch_h2_begin(struct http_fetch *fetch, const struct http_fetch_request *request);
must_check int fetch_h2_input(struct http_fetch *fetch, struct span bytes);
must_check ssize_t fetch_h2_output(struct http_fetch *fetch, char *out, size_t cap);
/** Reads the head of an HTTP/1 answer from its first byte on.
 *  @return its length with *ret_answer filled (names lowered in place), 0 when more is needed,
 *  ERR_SYNTAX, ERR_LIMIT for too many fields. Source: RFC 9112 sections 4 and 5 */
must_check ssize_t http_answer_parse(char *bytes, size_t len, struct arena *arena,
                                     struct http_fetch_answer *ret_answer);
