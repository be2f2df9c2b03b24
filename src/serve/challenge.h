/* Answers to http-01 challenges of certificate authorities (RFC 8555 section 8.3): tokens that the
 * guardian has published, for any host, over plain HTTP and HTTPS, before routes and limits. */
#pragma once

#include "serve/handler.h"

/** The tokens of one worker; zeroes: none. */
struct challenges {
    struct challenge *items;
    size_t count;
};

/** Publishes a token, or withdraws it when `text` is empty.
 *  @return 0, or ERR_LIMIT for too many */
must_check int challenges_set(struct challenges *challenges, struct span token, struct span text);
void challenges_finish(struct challenges *challenges);
/** Does a request ask for a token that is published? */
bool challenge_is_asked(const struct request *r);

extern const struct handler challenge_handler;
