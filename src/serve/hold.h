/* The hold buffer: body bytes that arrived before they may go on. Protection that must see a body
 * first (WAF, malware scan) and handlers that must collect one (FastCGI needs its length) share
 * this one bounded buffer; once it is let go, or full, the body streams. */
#pragma once

#include "base/buffer.h"

enum { HOLD_LIMIT = 128 * 1024 }; /* bytes that are held of one body, unless a policy wants more */

struct hold {
    struct buffer bytes;
    size_t at; /**< bytes at the front that went on already */
    size_t limit;
    uint64_t prepaid; /**< bytes that the client got the window back for before anybody consumed
                           them */
};

/** @param limit  bytes that are held
 *  @param overrun  bytes that may arrive beyond it: what the client may have under way */
struct hold *hold_create(size_t limit, size_t overrun);
/** NULL is fine. */
void hold_destroy(struct hold *hold);
/** Adds bytes behind those that wait.
 *  @param ret_credit  how many of them the client may get the window back for at once: those within
 *                     the limit, so that whoever looks at the body sees so much of it
 *  @return 0, or ERR_LIMIT: more came than limit and overrun allow */
must_check int hold_add(struct hold *hold, struct span bytes, uint64_t *ret_credit);
/** Bytes that wait. */
size_t hold_waiting(const struct hold *hold);
/** The first of them, at most `max`. Valid until the next call. */
struct span hold_front(const struct hold *hold, size_t max);
/** The first `count` bytes of what waits went on. */
void hold_advance(struct hold *hold, size_t count);
/** @return of `bytes` that their reader is done with: how many the client has not got back yet */
must_check uint64_t hold_settle(struct hold *hold, uint64_t bytes);
