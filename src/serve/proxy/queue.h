/* Bytes on their way: added behind, taken from the front, bounded. */
#pragma once

#include "base/buffer.h"

struct queue {
    struct buffer bytes;
    size_t at; /**< of those at the front that were taken */
};

static inline struct queue queue_make(size_t ceiling)
{
    return (struct queue){.bytes = buffer_make(ceiling)};
}

void queue_finish(struct queue *queue);
/** @return 0, or ERR_LIMIT with the queue unchanged */
must_check int queue_add(struct queue *queue, struct span bytes);
/** Moves up to `cap` bytes out. @return how many */
size_t queue_take(struct queue *queue, char *out, size_t cap);

static inline size_t queue_length(const struct queue *queue)
{
    return queue->bytes.len - queue->at;
}
