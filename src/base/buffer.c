/* Growth, appending and consuming of bounded buffers. Who sets the ceiling knows the reason. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void buffer_finish(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = buffer_make(buffer->ceiling);
}

int buffer_reserve(struct buffer *buffer, size_t more)
{
    if (more > buffer->ceiling - buffer->len)
        return ERR_LIMIT;
    size_t need = buffer->len + more;
    if (need <= buffer->room)
        return 0;
    size_t room = buffer->room ? buffer->room * 2 : 256;
    while (room < need)
        room *= 2;
    if (room > buffer->ceiling)
        room = buffer->ceiling;
    buffer->data = mem_resize(buffer->data, room, 1);
    buffer->room = room;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
    int r = buffer_reserve(buffer, len);

    if (r < 0)
        return r;
    if (len)
        memcpy(buffer->data + buffer->len, bytes, len);
    buffer->len += len;
    return 0;
}

int buffer_add(struct buffer *buffer, struct span s)
{
    return buffer_append(buffer, s.ptr, s.len);
}

int buffer_printf(struct buffer *buffer, const char *format, ...)
{
    scoped(mem_release) char *text = NULL;
    va_list args;

    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        text = NULL;
        return ERR_LIMIT;
    }
    return buffer_append(buffer, text, (size_t)length);
}

void buffer_consume(struct buffer *buffer, size_t count)
{
    if (count >= buffer->len) {
        buffer->len = 0;
        return;
    }
    memmove(buffer->data, buffer->data + count, buffer->len - count);
    buffer->len -= count;
}
