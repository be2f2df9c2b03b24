/* The hierarchical timer wheel of the event loop. When a round begins is the loop's business. */
#include "os/timers.h"

#define TICK (8 * NSEC_PER_MSEC)

void timers_init(struct timers *timers, nsec_t now)
{
    timers->tick = (uint64_t)(now / TICK);
    for (int level = 0; level < TIMERS_LEVELS; level++)
        for (int slot = 0; slot < TIMERS_SLOTS; slot++)
            list_init(&timers->slots[level][slot]);
}

/* A slot of a ring is found by its distance from the next tick to fire: at most 63 of the ring's
 * own steps, so that no two turns of a ring ever meet in one slot. */
static void place(struct timers *timers, struct loop_timer *timer)
{
    uint64_t next = timers->tick + 1;
    uint64_t due = (uint64_t)((timer->at + TICK - 1) / TICK);
    int level = 0;

    if (due < next)
        due = next;
    while (level < TIMERS_LEVELS - 1 &&
           (due >> (level * TIMERS_BITS)) - (next >> (level * TIMERS_BITS)) >= TIMERS_SLOTS)
        level++;
    uint64_t slot = due >> (level * TIMERS_BITS);
    uint64_t last = (next >> (level * TIMERS_BITS)) + TIMERS_SLOTS - 1;
    if (slot > last) /* past the last ring: looked at again when its end comes */
        slot = last;
    slot &= TIMERS_SLOTS - 1;
    list_append(&timers->slots[level][slot], &timer->link);
    timers->filled[level] |= UINT64_C(1) << slot;
}

void timers_set(struct timers *timers, struct loop_timer *timer, nsec_t at)
{
    if (timer->link.next)
        list_remove(&timer->link);
    timer->at = at;
    place(timers, timer);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    if (timer->link.next)
        list_remove(&timer->link);
}

/* Empties a slot into a list of its own: what is placed meanwhile may fall into the same slot, a
 * whole turn of the ring later. */
static void take_slot(struct timers *timers, int level, uint64_t slot, struct list *ret_timers)
{
    struct list *head = &timers->slots[level][slot];

    timers->filled[level] &= ~(UINT64_C(1) << slot);
    list_init(ret_timers);
    if (list_empty(head))
        return;
    *ret_timers = *head;
    ret_timers->next->prev = ret_timers->prev->next = ret_timers;
    list_init(head);
}

/* Moves a slot's timers to lower rings; done when the wheel reaches the slot. */
static void cascade(struct timers *timers, int level, uint64_t slot)
{
    struct list moved;

    take_slot(timers, level, slot, &moved);
    while (!list_empty(&moved)) {
        struct loop_timer *timer = list_first(&moved, struct loop_timer, link);
        list_remove(&timer->link);
        place(timers, timer);
    }
}

static void fire(struct timers *timers, uint64_t slot, nsec_t now)
{
    struct list due;

    take_slot(timers, 0, slot, &due);
    while (!list_empty(&due)) {
        struct loop_timer *timer = list_first(&due, struct loop_timer, link);
        list_remove(&timer->link);
        timer->on_timeout(timer, now);
    }
}

/* The next tick at which a slot, of any ring, must be looked at; UINT64_MAX when none is filled. */
static uint64_t next_tick(const struct timers *timers)
{
    uint64_t next = UINT64_MAX;

    for (int level = 0; level < TIMERS_LEVELS; level++) {
        uint64_t filled = timers->filled[level];
        if (!filled)
            continue;
        uint64_t base = timers->tick >> (level * TIMERS_BITS);
        unsigned start = (unsigned)((base + 1) & (TIMERS_SLOTS - 1));
        uint64_t turned = start ? (filled >> start) | (filled << (TIMERS_SLOTS - start)) : filled;
        uint64_t tick = (base + 1 + (uint64_t)__builtin_ctzll(turned)) << (level * TIMERS_BITS);
        if (tick < next)
            next = tick;
    }
    return next;
}

void timers_run(struct timers *timers, nsec_t now)
{
    uint64_t until = (uint64_t)(now / TICK);

    while (timers->tick < until) {
        uint64_t next = next_tick(timers);
        if (next > until) {
            timers->tick = until;
            return;
        }
        timers->tick = next - 1; /* what cascades into this very tick still fires with it */
        for (int level = TIMERS_LEVELS - 1; level > 0; level--) {
            uint64_t mask = (UINT64_C(1) << (level * TIMERS_BITS)) - 1;
            if ((next & mask) == 0)
                cascade(timers, level, (next >> (level * TIMERS_BITS)) & (TIMERS_SLOTS - 1));
        }
        timers->tick = next;
        fire(timers, next & (TIMERS_SLOTS - 1), now);
    }
}

int timers_wait(const struct timers *timers, nsec_t now)
{
    uint64_t next = next_tick(timers);
    if (next == UINT64_MAX)
        return -1;
    nsec_t delay = (nsec_t)(next * (uint64_t)TICK) - now;
    if (delay <= 0)
        return 0;
    nsec_t milliseconds = (delay + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    return milliseconds > 60000 ? 60000 : (int)milliseconds;
}
