/* What is remembered of the streams of a connection that are no more: which were reset by us, so
 * that the client may still have frames for them under way, and which ids it has skipped, so that
 * they were never opened (RFC 9113 sections 5.1 and 5.1.1). Bounded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { H2_CLOSED_RESETS = 32, H2_CLOSED_GAPS = 4 };

/** Zeroed memory remembers nothing. */
struct h2_closed {
    struct {
        uint32_t id;
        int32_t credit; /**< bytes of frames that may be under way */
    } resets[H2_CLOSED_RESETS];
    struct {
        uint32_t from, to; /**< ids, both included */
    } gaps[H2_CLOSED_GAPS];
    uint32_t next_reset, next_gap;
    uint32_t forgotten; /**< highest id of a reset that had to make room for another */
};

/** We have reset a stream while the client could send `window` bytes. */
void h2_closed_add_reset(struct h2_closed *closed, uint32_t id, int32_t window);
/** The client passes over the ids from `from` to `to`. */
void h2_closed_add_gap(struct h2_closed *closed, uint32_t from, uint32_t to);
/** The id was passed over: no stream had it. */
bool h2_closed_is_gap(const struct h2_closed *closed, uint32_t id);
/** We have reset the stream, or may have: frames for it are to be ignored. */
bool h2_closed_was_reset(const struct h2_closed *closed, uint32_t id);
/** The same for a DATA frame of so many bytes.
 *  @return false when more has come than could have been under way */
bool h2_closed_spend(struct h2_closed *closed, uint32_t id, uint32_t length);
