/* The chunked coding (RFC 9112 section 7.1), strictly: sizes, extensions and data, and the writing
 * of chunk heads. The trailer section after the last chunk is parser.c's. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/span.h"

enum {
    H1_CHUNK_HEAD_MAX = 18,      /**< 16 hex digits, CR, LF */
    H1_CHUNK_EXTENSION_MAX = 256 /**< bytes of extensions of one chunk */
};

enum h1_chunk_state {
    H1_CHUNK_SIZE,
    H1_CHUNK_EXTENSION,
    H1_CHUNK_SIZE_LF,
    H1_CHUNK_DATA,
    H1_CHUNK_DATA_CR,
    H1_CHUNK_DATA_LF,
    H1_CHUNK_LAST, /**< the trailer section follows */
};

struct h1_chunked {
    uint64_t left;       /**< of the chunk; while its size is read: the number so far */
    uint16_t extensions; /**< bytes so far, of this chunk */
    uint8_t digits;
    uint8_t state;     /**< enum h1_chunk_state */
    uint8_t extension; /**< private: where in an extension */
};

/** Cuts the front of *input off up to and including a piece of data. Zeroed memory is a new
 * decoder.
 *  @return 1 with data; 0 when *input was used up; 2 after the last chunk's size line (*input
 * begins with the trailer section); ERR_SYNTAX, ERR_LIMIT (too large, or too many extensions) */
must_check int h1_chunked_decode(struct h1_chunked *decoder, struct span *input,
                                 struct span *ret_data);

struct http_body;
/** Pulls a piece of a body into a whole chunk: head, data, CRLF.
 *  @param room  more than H1_CHUNK_HEAD_MAX + 2
 *  @param ret_chunk  bytes of the chunk, when there was data
 *  @return what the body's read() returned; ERR_PROTOCOL if it wrote more than it was asked for */
must_check ssize_t h1_chunk_pull(struct http_body *body, char *out, size_t room, size_t *ret_chunk);
/** Writes the head of a chunk of `size` > 0 bytes. @return its length, at most H1_CHUNK_HEAD_MAX */
size_t h1_chunked_head(char *out, uint64_t size);
