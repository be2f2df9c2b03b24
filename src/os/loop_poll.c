/* The event loop over poll(2) or select(), for systems without epoll: each round costs as much as
 * there are watches, which is fine for some hundreds. Sockets and limits are the business of
 * whoever owns a watch. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/ready.h"
#include "os/timers.h"

struct place {
    struct loop_watch *watch; /* NULL: removed; the place goes when the next round begins */
    bool paused;
    bool write; /* its owner waits to hear that it can write */
};

struct loop {
    struct place *places;
    struct ready_item *items;
    size_t count, room;
    bool stopped, hurried;
    nsec_t now;
    void (*on_round)(void *context);
    void *round_context;
    struct timers timers;
};

int loop_create(struct loop **ret_loop)
{
    struct loop *loop = mem_new(struct loop);

    loop->now = nsec_monotonic();
    timers_init(&loop->timers, loop->now);
    *ret_loop = loop;
    return 0;
}

void loop_destroy(struct loop *loop)
{
    if (!loop)
        return;
    free(loop->places);
    free(loop->items);
    free(loop);
}

int loop_add(struct loop *loop, struct loop_watch *watch, enum loop_mode mode)
{
    if (loop->count == loop->room) {
        loop->room = loop->room ? 2 * loop->room : 16;
        loop->places = mem_resize(loop->places, loop->room, sizeof *loop->places);
        loop->items = mem_resize(loop->items, loop->room, sizeof *loop->items);
    }
    watch->place = (unsigned)loop->count;
    loop->places[loop->count++] = (struct place){watch, false, mode == LOOP_EDGE};
    return 0;
}

/* Nothing for a watch that was never added. */
static struct place *place_of(const struct loop *loop, const struct loop_watch *watch)
{
    struct place *place = watch->place < loop->count ? &loop->places[watch->place] : NULL;

    return place && place->watch == watch ? place : NULL;
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    struct place *place = place_of(loop, watch);

    if (place)
        place->watch = NULL;
}

void loop_forget(struct loop *loop, struct loop_watch *watch)
{
    loop_remove(loop, watch);
}

void loop_pause(struct loop *loop, struct loop_watch *watch, bool paused)
{
    struct place *place = place_of(loop, watch);

    if (place)
        place->paused = paused;
}

void loop_write_again(struct loop *loop, struct loop_watch *watch)
{
    struct place *place = place_of(loop, watch);

    if (place)
        place->write = true;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, nsec_t at)
{
    timers_set(&loop->timers, timer, at);
}

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

/* Closes the gaps that removed watches left, and says what each of the others waits for. */
static void prepare(struct loop *loop)
{
    size_t kept = 0;

    for (size_t i = 0; i < loop->count; i++) {
        struct place place = loop->places[i];
        if (!place.watch)
            continue;
        place.watch->place = (unsigned)kept;
        loop->places[kept] = place;
        loop->items[kept++] = (struct ready_item){.fd = place.watch->fd,
                                                  .wanted = (place.paused ? 0 : LOOP_READABLE) |
                                                            (place.write ? LOOP_WRITABLE : 0)};
    }
    loop->count = kept;
}

/* A callback may add watches, which moves the places, and remove them, this one too. */
static void tell(struct loop *loop, size_t at)
{
    struct place *place = &loop->places[at];
    unsigned seen = loop->items[at].seen;

    if (!place->watch || !seen || place->paused)
        return;
    if (seen & LOOP_WRITABLE)
        place->write = false;
    place->watch->on_event(place->watch, seen);
}

static int run_round(struct loop *loop)
{
    prepare(loop);
    size_t count = loop->count;
    int wait = loop->hurried ? 0 : timers_wait(&loop->timers, loop->now);
    int ready = ready_wait(loop->items, count, wait);

    if (ready < 0 && ready != -EINTR)
        return ready;
    loop->now = nsec_monotonic();
    loop->hurried = false;
    for (size_t i = 0; ready > 0 && i < count; i++)
        tell(loop, i);
    timers_run(&loop->timers, loop->now);
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
