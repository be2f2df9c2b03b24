/* The compression filter: bodies that no handler has encoded are compressed on their way out. */
#pragma once

#include "serve/request.h"

/** Compresses an answer if its type, its length and the client allow it: adds content-encoding and
 *  Vary, makes a strong entity-tag weak (RFC 9110 section 8.8.1), and puts itself around the body.
 *  Answers to HEAD get the same fields. Event streams, parts (206), and what has a content-encoding
 *  or `no-transform` pass as they are.
 *  @return 0, or ERR_LIMIT when the arena is full */
must_check int compress_filter(struct request *r, struct http_response *response,
                               struct http_body **body);
