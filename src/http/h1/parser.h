/* Cuts the head of a request or of an answer (RFC 9112 sections 2 to 5) or a trailer section into
 * spans, strictly, from bytes that may still be incomplete. What the fields mean is request.c's for
 * a request and client/h1_framing.c's for an answer. */
#pragma once

#include "http/exchange.h"
#include "http/message_limits.h"

enum h1_stage { H1_START, H1_REQUEST_LINE, H1_STATUS_LINE, H1_FIELDS };

/** Where parsing stands. It holds positions only, so that the bytes may move between calls. */
struct h1_parser {
    struct http_request *request; /**< NULL for answers and trailers */
    struct http_fields *fields;   /**< NULL: fields are checked, counted and dropped */
    struct arena *arena;
    const char *base; /**< where byte 0 was at the last call */
    uint32_t at;      /**< start of the first line that is not parsed yet */
    uint32_t count;   /**< fields so far */
    enum h1_stage stage;
    int refusal; /**< the status to answer with, once h1_parse() has refused */
    const char *reason;
    int status; /**< of an answer's status line */
    enum http_version version;
};

/** Begins the head of x's request. */
void h1_parser_head(struct h1_parser *parser, struct http_exchange *x);
/** Begins a trailer section; `x` may be NULL: then it is checked and dropped. */
void h1_parser_trailers(struct h1_parser *parser, struct http_exchange *x);
/** Begins the head of an answer; `fields` are emptied, and keep their room. */
void h1_parser_answer(struct h1_parser *parser, struct http_fields *fields, struct arena *arena);
/** Begins the trailer section of an answer. */
void h1_parser_answer_trailers(struct h1_parser *parser, struct http_fields *fields,
                               struct arena *arena);

/** Goes on. `bytes` begin with byte 0 of the section each time, and grow; spans point into them.
 *  The result does not depend on how the bytes were split over calls.
 *  @return the section's length; 0 when more is needed; ERR_SYNTAX with parser->refusal set */
must_check ssize_t h1_parse(struct h1_parser *parser, struct span bytes,
                            const struct http_limits *limits);

/** Copies what was parsed of the section into the arena, points the spans there, and makes field
 *  names lower case. @return 0, or ERR_LIMIT with all spans emptied */
must_check int h1_parser_keep(struct h1_parser *parser);
