/* Allocation that cannot fail. It leaves pools and arenas to their own files. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *checked(void *memory)
{
    static const char message[] = "gardien: out of memory\n";

    if (unlikely(!memory)) {
        ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
        (void)written; /* nothing is left to do about it */
        abort();
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count ? count : 1, size, &bytes))
        checked(NULL);
    return checked(realloc(old, bytes));
}

char *mem_string(struct span s)
{
    char *copy = mem_alloc(s.len + 1);

    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

char *mem_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return checked(length < 0 ? NULL : text);
}

void mem_release(void *pointer_variable)
{
    free(*(void **)pointer_variable);
}
