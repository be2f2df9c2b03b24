/* What was taken stays in place until all was (then nothing is held), or room is needed: then the
 * rest moves up, once for at least as many bytes as it has. */
#include "serve/proxy/queue.h"

void queue_finish(struct queue *queue)
{
    buffer_finish(&queue->bytes);
    queue->at = 0;
}

int queue_add(struct queue *queue, struct span bytes)
{
    if (queue->at > 0 &&
        (queue->at >= queue_length(queue) || queue->bytes.ceiling - queue->bytes.len < bytes.len)) {
        buffer_consume(&queue->bytes, queue->at);
        queue->at = 0;
    }
    return buffer_add(&queue->bytes, bytes);
}

size_t queue_take(struct queue *queue, char *out, size_t cap)
{
    size_t waiting = queue_length(queue);
    size_t len = waiting < cap ? waiting : cap;

    if (len == 0)
        return 0;
    memcpy(out, queue->bytes.data + queue->at, len);
    queue->at += len;
    if (queue->at == queue->bytes.len)
        queue_finish(queue); /* a quiet stream holds nothing */
    return len;
}
