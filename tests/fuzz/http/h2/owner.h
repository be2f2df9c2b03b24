/* An owner for fuzzed engines: it answers in the ways that an input asks for and checks that every
 * exchange ends once. */
#pragma once

#include "http/http.h"
#include "http/pool.h"
#include "http/server.h"

enum { OWNER_HELD = 32 };

struct owner {
    struct http_limits limits;
    struct http_pool *pool;
    struct http_engine *engine;
    struct http_exchange *held[OWNER_HELD]; /**< not answered yet, or waiting for more */
    uint64_t seed;                          /**< decides what happens next */
    nsec_t now;
    bool inside; /**< an upcall may come, on_wake may not */
    unsigned open;
    unsigned bodies;
};

/** An engine that has had the preface. `seed` chooses limits and behaviour. */
void owner_start(struct owner *owner, uint64_t seed);
/** Gives bytes, takes output as a connection would. @return false once it is over */
bool owner_feed(struct owner *owner, const void *bytes, size_t len);
/** Does something to one of the exchanges held: answers, resumes, resets. */
void owner_act(struct owner *owner, uint8_t choice);
/** Ends everything and checks that nothing is left. */
void owner_stop(struct owner *owner);
