/* The body of a request on its way from the engine to its handler: past protection, and through the
 * hold buffer where somebody must see it first. */
#pragma once

#include "serve/request.h"

/** The handler has started: what came before goes to protection and to it. */
void request_body_begin(struct request *r);
/** Protection lets what was held go on. */
void request_body_release(struct request *r);
/** Nobody wants the body any more: what is held is let go of. */
void request_body_drop(struct request *r);
/** Hands on what is held, as far as the handler has consumed what it got; for server->feeds. */
void request_body_feed(struct request *r);
/** Serves a verdict that is ANSWER or REFUSE (request.c). */
void request_judge(struct request *r, const struct verdict *verdict);
