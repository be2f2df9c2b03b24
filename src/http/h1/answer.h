/* Writes the head of an answer: status line, our own fields, the owner's fields.
 * How the body is framed was decided by the engine. */
#pragma once

#include "http/message.h"

enum h1_body_framing {
    H1_BODY_NONE,   /**< no body, no length: 204, 304, HEAD of unknown length */
    H1_BODY_LENGTH, /**< content-length */
    H1_BODY_CHUNKED,
    H1_BODY_CLOSE, /**< ends with the connection: unknown length for HTTP/1.0 */
};

enum h1_persistence {
    H1_PERSIST,         /**< HTTP/1.1's default, which needs no field */
    H1_PERSIST_SAID,    /**< HTTP/1.0: "connection: keep-alive" */
    H1_PERSIST_NOT,     /**< "connection: close" */
    H1_PERSIST_UPGRADE, /**< "connection: upgrade": it becomes a tunnel */
};

/** An upper bound of what h1_answer_write() writes. */
size_t h1_answer_size(const struct http_response *response);
/** Writes the head. The owner's fields go out as they are, but date, connection, content-length and
 *  transfer-encoding are the engine's alone and left out.
 *  @param date  29 characters of IMF-fixdate
 *  @return bytes written, at most h1_answer_size() */
size_t h1_answer_write(char *out, const struct http_response *response, const char *date,
                       enum h1_body_framing framing, enum h1_persistence persistence);
/** Writes a decimal number, at most 20 digits. @return the end */
char *h1_number_write(char *at, uint64_t number);
/** Writes "name: value" and CRLF: the sum of both and 4 bytes. @return the end */
char *h1_field_write(char *at, const struct http_field *field);
/** Writes an informational answer: status line and fields. @return bytes, at most
 *  h1_answer_size() */
size_t h1_interim_write(char *out, const struct http_response *response);
/** Bytes of the trailer section with its empty line. `trailers` may be NULL. */
size_t h1_trailers_size(const struct http_fields *trailers);
/** Writes it. @return h1_trailers_size() */
size_t h1_trailers_write(char *out, const struct http_fields *trailers);
