/* Small allocations, whose failure ends the process. What a peer can size uses a bounded buffer. */
#pragma once

#include <stddef.h>

#include "base/span.h"

/** `size` bytes, not cleared. Never NULL: out of memory ends the process with a message. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/** `size` bytes of zero. Never NULL. */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
/** Room for `count` items of `size` bytes; `old` may be NULL. Never NULL. */
void *mem_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
/** A NUL-terminated copy of the span. */
char *mem_string(struct span s) __attribute__((malloc, returns_nonnull));
/** A formatted string, freed by free(). */
char *mem_format(const char *format, ...) printf_like(1, 2) __attribute__((malloc));

/** For scoped(mem_release): frees what the pointer variable holds. */
void mem_release(void *pointer_variable);

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))
