/* The event loop over epoll, with a hierarchical timer wheel. Sockets, protocols and limits are the
 * business of whoever owns a watch. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/loop.h"

/* The wheel: WHEEL_LEVELS rings of 64 slots. A slot of ring n spans 64^n ticks of 8 ms, so the
 * rings reach half a second, half a minute, half an hour and a day and a half. */
enum {
    WHEEL_BITS = 6,
    WHEEL_SLOTS = 1 << WHEEL_BITS,
    WHEEL_LEVELS = 4,
    EVENTS_PER_ROUND = 256,
};
#define TICK (8 * NSEC_PER_MSEC)

struct loop {
    int epoll;
    bool stopped;
    bool hurried;
    nsec_t now;
    struct epoll_event events[EVENTS_PER_ROUND];
    int event_count;
    int event_at; /* the one being handled */
    void (*on_round)(void *context);
    void *round_context;
    uint64_t tick; /* ticks whose timers have fired */
    uint64_t filled[WHEEL_LEVELS];
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

int loop_create(struct loop **ret_loop)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0)
        return -errno;
    struct loop *loop = mem_new(struct loop);
    loop->epoll = fd;
    loop->now = nsec_monotonic();
    loop->tick = (uint64_t)(loop->now / TICK);
    for (int level = 0; level < WHEEL_LEVELS; level++)
        for (int slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&loop->slots[level][slot]);
    *ret_loop = loop;
    return 0;
}

void loop_destroy(struct loop *loop)
{
    if (!loop)
        return;
    close(loop->epoll);
    free(loop);
}

static int control(struct loop *loop, int operation, struct loop_watch *watch, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(loop->epoll, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_watch *watch, enum loop_mode mode)
{
    unsigned events = mode == LOOP_EDGE ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET : EPOLLIN;
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

void loop_forget(struct loop *loop, struct loop_watch *watch)
{
    for (int i = loop->event_at + 1; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    loop_forget(loop, watch);
    /* A descriptor that is not there any more is what the caller wants. */
    (void)control(loop, EPOLL_CTL_DEL, watch, 0);
}

void loop_pause(struct loop *loop, struct loop_watch *watch, bool paused)
{
    /* Fails only for a watch that was never added, and then there is nothing to pause. */
    (void)control(loop, EPOLL_CTL_MOD, watch, paused ? 0 : EPOLLIN);
}

/* ---- timers ---- */

/* A slot of a ring is found by its distance from the next tick to fire: at most 63 of the ring's
 * own steps, so that no two turns of a ring ever meet in one slot. */
static void place(struct loop *loop, struct loop_timer *timer)
{
    uint64_t next = loop->tick + 1;
    uint64_t due = (uint64_t)((timer->at + TICK - 1) / TICK);
    int level = 0;

    if (due < next)
        due = next;
    while (level < WHEEL_LEVELS - 1 &&
           (due >> (level * WHEEL_BITS)) - (next >> (level * WHEEL_BITS)) >= WHEEL_SLOTS)
        level++;
    uint64_t slot = due >> (level * WHEEL_BITS);
    uint64_t last = (next >> (level * WHEEL_BITS)) + WHEEL_SLOTS - 1;
    if (slot > last) /* past the last ring: looked at again when its end comes */
        slot = last;
    slot &= WHEEL_SLOTS - 1;
    list_append(&loop->slots[level][slot], &timer->link);
    loop->filled[level] |= UINT64_C(1) << slot;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, nsec_t at)
{
    if (timer->link.next)
        list_remove(&timer->link);
    timer->at = at;
    place(loop, timer);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    if (timer->link.next)
        list_remove(&timer->link);
}

/* Empties a slot into a list of its own: what is placed meanwhile may fall into the same slot, a
 * whole turn of the ring later. */
static void take_slot(struct loop *loop, int level, uint64_t slot, struct list *ret_timers)
{
    struct list *head = &loop->slots[level][slot];

    loop->filled[level] &= ~(UINT64_C(1) << slot);
    list_init(ret_timers);
    if (list_empty(head))
        return;
    *ret_timers = *head;
    ret_timers->next->prev = ret_timers->prev->next = ret_timers;
    list_init(head);
}

/* Moves a slot's timers to lower rings; done when the wheel reaches the slot. */
static void cascade(struct loop *loop, int level, uint64_t slot)
{
    struct list moved;

    take_slot(loop, level, slot, &moved);
    while (!list_empty(&moved)) {
        struct loop_timer *timer = list_first(&moved, struct loop_timer, link);
        list_remove(&timer->link);
        place(loop, timer);
    }
}

static void fire(struct loop *loop, uint64_t slot)
{
    struct list due;

    take_slot(loop, 0, slot, &due);
    while (!list_empty(&due)) {
        struct loop_timer *timer = list_first(&due, struct loop_timer, link);
        list_remove(&timer->link);
        timer->on_timeout(timer, loop->now);
    }
}

/* The next tick at which a slot, of any ring, must be looked at; UINT64_MAX when none is filled. */
static uint64_t next_tick(const struct loop *loop)
{
    uint64_t next = UINT64_MAX;

    for (int level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t filled = loop->filled[level];
        if (!filled)
            continue;
        uint64_t base = loop->tick >> (level * WHEEL_BITS);
        unsigned start = (unsigned)((base + 1) & (WHEEL_SLOTS - 1));
        uint64_t turned = start ? (filled >> start) | (filled << (WHEEL_SLOTS - start)) : filled;
        uint64_t tick = (base + 1 + (uint64_t)__builtin_ctzll(turned)) << (level * WHEEL_BITS);
        if (tick < next)
            next = tick;
    }
    return next;
}

static void run_timers(struct loop *loop)
{
    uint64_t until = (uint64_t)(loop->now / TICK);

    while (loop->tick < until) {
        uint64_t next = next_tick(loop);
        if (next > until) {
            loop->tick = until;
            return;
        }
        loop->tick = next - 1; /* what cascades into this very tick still fires with it */
        for (int level = WHEEL_LEVELS - 1; level > 0; level--) {
            uint64_t mask = (UINT64_C(1) << (level * WHEEL_BITS)) - 1;
            if ((next & mask) == 0)
                cascade(loop, level, (next >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1));
        }
        loop->tick = next;
        fire(loop, next & (WHEEL_SLOTS - 1));
    }
}

static int wait_milliseconds(const struct loop *loop)
{
    if (loop->hurried)
        return 0;
    uint64_t next = next_tick(loop);
    if (next == UINT64_MAX)
        return -1;
    nsec_t delay = (nsec_t)(next * (uint64_t)TICK) - loop->now;
    if (delay <= 0)
        return 0;
    nsec_t milliseconds = (delay + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    return milliseconds > 60000 ? 60000 : (int)milliseconds;
}

/* ---- rounds ---- */

void loop_on_round(struct loop *loop, void (*on_round)(void *context), void *context)
{
    loop->on_round = on_round;
    loop->round_context = context;
}

void loop_hurry(struct loop *loop)
{
    loop->hurried = true;
}

nsec_t loop_now(const struct loop *loop)
{
    return loop->now;
}

static unsigned translate(unsigned events)
{
    unsigned ret = 0;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ret |= LOOP_READABLE;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        ret |= LOOP_WRITABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ret |= LOOP_HANGUP;
    return ret;
}

static int run_round(struct loop *loop)
{
    int count = epoll_wait(loop->epoll, loop->events, EVENTS_PER_ROUND, wait_milliseconds(loop));

    if (count < 0 && errno != EINTR)
        return -errno;
    loop->now = nsec_monotonic();
    loop->hurried = false;
    loop->event_count = count < 0 ? 0 : count;
    for (loop->event_at = 0; loop->event_at < loop->event_count; loop->event_at++) {
        struct loop_watch *watch = loop->events[loop->event_at].data.ptr;
        if (watch)
            watch->on_event(watch, translate(loop->events[loop->event_at].events));
    }
    loop->event_count = 0;
    run_timers(loop);
    if (loop->on_round)
        loop->on_round(loop->round_context);
    return 0;
}

int loop_run(struct loop *loop)
{
    int r = 0;

    loop->stopped = false;
    while (!loop->stopped && r >= 0)
        r = run_round(loop);
    return r;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
