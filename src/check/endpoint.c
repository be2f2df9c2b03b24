/* How an address answered, over all that was tried there. */
#include "check/internal.h"

const struct probe *endpoint_answer(const struct endpoint *endpoint)
{
    return endpoint->old.run && endpoint->main.end != PROBE_DONE ? &endpoint->old : &endpoint->main;
}

bool endpoint_is_open(const struct endpoint *endpoint)
{
    const struct probe *answer = endpoint_answer(endpoint);

    return answer->done && answer->end == PROBE_DONE;
}

const struct endpoint *check_open_endpoint(const struct check *check)
{
    for (size_t i = 0; i < check->endpoint_count; i++)
        if (endpoint_is_open(&check->endpoints[i]))
            return &check->endpoints[i];
    return NULL;
}
