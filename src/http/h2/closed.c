/* Two small rings, searched from end to end: frames for streams that are no more are rare. */
#include "http/h2/closed.h"

#include <stddef.h>

enum {
    FRAME_MIN = 1024, /* what a frame counts at least, so that small ones are few */
    CREDIT_EXTRA = 16 * FRAME_MIN,
};

void h2_closed_add_reset(struct h2_closed *closed, uint32_t id, int32_t window)
{
    size_t slot = closed->next_reset++ % H2_CLOSED_RESETS;

    if (closed->resets[slot].id > closed->forgotten)
        closed->forgotten = closed->resets[slot].id;
    closed->resets[slot].id = id;
    closed->resets[slot].credit = (window > 0 ? window : 0) + CREDIT_EXTRA;
}

void h2_closed_add_gap(struct h2_closed *closed, uint32_t from, uint32_t to)
{
    size_t slot = closed->next_gap++ % H2_CLOSED_GAPS;
    closed->gaps[slot].from = from;
    closed->gaps[slot].to = to;
}

bool h2_closed_is_gap(const struct h2_closed *closed, uint32_t id)
{
    for (size_t i = 0; i < H2_CLOSED_GAPS; i++)
        if (id >= closed->gaps[i].from && id <= closed->gaps[i].to)
            return true;
    return false;
}

bool h2_closed_was_reset(const struct h2_closed *closed, uint32_t id)
{
    if (id <= closed->forgotten)
        return true;
    for (size_t i = 0; i < H2_CLOSED_RESETS; i++)
        if (closed->resets[i].id == id)
            return true;
    return false;
}

bool h2_closed_spend(struct h2_closed *closed, uint32_t id, uint32_t length)
{
    int32_t cost = (int32_t)(length > FRAME_MIN ? length : FRAME_MIN);

    for (size_t i = 0; i < H2_CLOSED_RESETS; i++) {
        if (closed->resets[i].id != id)
            continue;
        if (closed->resets[i].credit < cost)
            return false;
        closed->resets[i].credit -= cost;
        return true;
    }
    return false;
}
