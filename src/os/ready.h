/* Waiting for many descriptors at once, in the way that the system has. */
#pragma once

#include "os/loop.h"

struct ready_item {
    int fd;
    unsigned wanted; /**< LOOP_READABLE, LOOP_WRITABLE */
    unsigned seen;   /**< LOOP_* */
};

/** Waits until one of them is ready.
 *  @param milliseconds  at most; -1: for ever
 *  @return how many are, or -errno; -EINTR after a signal */
must_check int ready_wait(struct ready_item *items, size_t count, int milliseconds);
