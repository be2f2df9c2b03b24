/* How an address answered, over all that was tried there. */
#include "check/internal.h"

const struct visit *door_answer(const struct door *door)
{
    return door->old.run && door->main.end != VISIT_DONE ? &door->old : &door->main;
}

bool door_is_open(const struct door *door)
{
    const struct visit *answer = door_answer(door);

    return answer->done && answer->end == VISIT_DONE;
}

const struct door *check_open_door(const struct check *check)
{
    for (size_t i = 0; i < check->door_count; i++)
        if (door_is_open(&check->doors[i]))
            return &check->doors[i];
    return NULL;
}
