/* Timers of an event loop: a wheel of rings, so that setting, firing and cancelling one costs the
 * same however many there are. */
#pragma once

#include "os/loop.h"

/* TIMERS_LEVELS rings of 64 slots. A slot of ring n spans 64^n ticks of 8 ms, so the rings reach
 * half a second, half a minute, half an hour and a day and a half. */
enum { TIMERS_BITS = 6, TIMERS_SLOTS = 1 << TIMERS_BITS, TIMERS_LEVELS = 4 };

struct timers {
    uint64_t tick; /**< ticks whose timers have fired */
    uint64_t filled[TIMERS_LEVELS];
    struct list slots[TIMERS_LEVELS][TIMERS_SLOTS];
};

/** @param now  monotonic */
void timers_init(struct timers *timers, nsec_t now);
/** Sets a timer, anew if it is set; loop_timer_cancel() takes it out, the same for every loop. */
void timers_set(struct timers *timers, struct loop_timer *timer, nsec_t at);
/** Fires those that are due. */
void timers_run(struct timers *timers, nsec_t now);
/** How long the loop may wait. @return milliseconds, 60,000 at most; -1 when no timer is set */
int timers_wait(const struct timers *timers, nsec_t now);
