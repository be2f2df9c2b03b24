/* A bounded buffer: bytes that grow up to a ceiling given at birth. Passing it is an error value.
 */
#pragma once

#include <stdarg.h>

#include "base/error.h"
#include "base/span.h"

struct buffer {
    char *data;
    size_t len;
    size_t room;    /**< bytes allocated */
    size_t ceiling; /**< most that `len` may become */
};

/** An empty buffer; allocates nothing until the first byte. */
static inline struct buffer buffer_make(size_t ceiling)
{
    return (struct buffer){.ceiling = ceiling};
}

/** Frees the bytes; the buffer is empty afterwards and may be used again. */
void buffer_finish(struct buffer *buffer);
/** Makes room for `more` bytes past the end.
 *  @return 0, or ERR_LIMIT with the buffer unchanged */
must_check int buffer_reserve(struct buffer *buffer, size_t more);
/** Appends bytes. @return 0, or ERR_LIMIT with the buffer unchanged */
must_check int buffer_append(struct buffer *buffer, const void *bytes, size_t len);
must_check int buffer_add(struct buffer *buffer, struct span s);
/** Appends formatted text, without its NUL. @return 0, or ERR_LIMIT with the buffer unchanged */
must_check int buffer_printf(struct buffer *buffer, const char *format, ...) printf_like(2, 3);
/** Drops `count` bytes (at most all) from the front. */
void buffer_consume(struct buffer *buffer, size_t count);

static inline struct span buffer_span(const struct buffer *buffer)
{
    return span_of(buffer->data, buffer->len);
}
