/* A bounded queue of bytes with an account of the client's window. */
#include "serve/hold.h"

#include <stdlib.h>

#include "base/mem.h"

struct hold *hold_create(size_t limit, size_t overrun)
{
    struct hold *hold = mem_new(struct hold);

    hold->bytes = buffer_make(limit + overrun);
    hold->limit = limit;
    return hold;
}

void hold_destroy(struct hold *hold)
{
    if (!hold)
        return;
    buffer_finish(&hold->bytes);
    free(hold);
}

size_t hold_waiting(const struct hold *hold)
{
    return hold->bytes.len - hold->at;
}

int hold_add(struct hold *hold, struct span bytes, uint64_t *ret_credit)
{
    size_t before = hold_waiting(hold), room = before < hold->limit ? hold->limit - before : 0;

    buffer_consume(&hold->bytes, hold->at);
    hold->at = 0;
    int r = buffer_add(&hold->bytes, bytes);
    if (r < 0)
        return r;
    *ret_credit = bytes.len < room ? bytes.len : room;
    hold->prepaid += *ret_credit;
    return 0;
}

struct span hold_front(const struct hold *hold, size_t max)
{
    size_t waiting = hold_waiting(hold);

    return span_of(hold->bytes.data + hold->at, waiting < max ? waiting : max);
}

void hold_advance(struct hold *hold, size_t count)
{
    hold->at += count;
    if (hold->at < hold->bytes.len)
        return;
    buffer_finish(&hold->bytes);
    hold->at = 0;
}

uint64_t hold_settle(struct hold *hold, uint64_t bytes)
{
    uint64_t paid = bytes < hold->prepaid ? bytes : hold->prepaid;

    hold->prepaid -= paid;
    return bytes - paid;
}
