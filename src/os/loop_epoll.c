/* The event loop over epoll, for Linux. Sockets, protocols and limits are the
 * business of whoever owns a watch. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/timers.h"

enum { EVENTS_PER_ROUND = 256 };

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
    struct timers timers;
};

int loop_create(struct loop **ret_loop)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0)
        return -errno;
    struct loop *loop = mem_new(struct loop);
    loop->epoll = fd;
    loop->now = nsec_monotonic();
    timers_init(&loop->timers, loop->now);
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

void loop_write_again(struct loop *loop, struct loop_watch *watch)
{
    /* EPOLLET does so by itself. */
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, nsec_t at)
{
    timers_set(&loop->timers, timer, at);
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
    int wait = loop->hurried ? 0 : timers_wait(&loop->timers, loop->now);
    int count = epoll_wait(loop->epoll, loop->events, EVENTS_PER_ROUND, wait);

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
