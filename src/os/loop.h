/* The event loop: readiness of descriptors, timers, and work for the end of a round.
 * epoll stands behind it on Linux, poll(2) or select() elsewhere; see loop_epoll.c, loop_poll.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/macros.h"
#include "base/nsec.h"

struct loop;

enum {
    LOOP_READABLE = 1,
    LOOP_WRITABLE = 2,
    LOOP_HANGUP = 4, /**< the peer sends no more, is gone, or an error waits to be read */
};

/** One watched descriptor; its owner embeds it. */
struct loop_watch {
    int fd;
    unsigned place; /**< private */
    /** @param events  LOOP_* bits. With LOOP_EDGE the owner must go on until -EAGAIN. */
    void (*on_event)(struct loop_watch *watch, unsigned events);
};

/** One timer; its owner embeds it. Zeroed memory is a timer that is not set. */
struct loop_timer {
    struct list link; /**< private */
    nsec_t at;        /**< private */
    void (*on_timeout)(struct loop_timer *timer, nsec_t now);
};

enum loop_mode {
    LOOP_LEVEL, /**< on_event while readable (writable is not watched) */
    LOOP_EDGE,  /**< on_event when it becomes readable or writable */
};

/** @return 0, or -errno */
must_check int loop_create(struct loop **ret_loop);
void loop_destroy(struct loop *loop);

/** Watches watch->fd. @return 0, or -errno */
must_check int loop_add(struct loop *loop, struct loop_watch *watch, enum loop_mode mode);
/** Stops watching; safe inside any callback, events already collected are dropped. Call it before
 *  the descriptor is closed. */
void loop_remove(struct loop *loop, struct loop_watch *watch);
/** The same for a descriptor that is closed right after: saves the system call. */
void loop_forget(struct loop *loop, struct loop_watch *watch);
/** For LOOP_EDGE, after a write that returned -EAGAIN: its owner hears when there is room again. */
void loop_write_again(struct loop *loop, struct loop_watch *watch);
/** Stops or resumes reporting of a LOOP_LEVEL watch. */
void loop_pause(struct loop *loop, struct loop_watch *watch, bool paused);

/** Fires once, not before `at` (monotonic) and at most 8 ms late; sets anew if already set. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, nsec_t at);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

/** Runs at the end of each round, after all events of the round. */
void loop_on_round(struct loop *loop, void (*on_round)(void *context), void *context);

/** Makes the coming round begin at once, for work that was put off to it. */
void loop_hurry(struct loop *loop);

/** Monotonic time, read once a round. */
nsec_t loop_now(const struct loop *loop);
/** Runs until loop_stop(). @return 0, or -errno */
must_check int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
