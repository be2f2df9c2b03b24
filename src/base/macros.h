/* Compiler attributes and the two ownership macros that the whole program uses.
 * Containers and arithmetic live in their own headers. */
#pragma once

#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/** The result must be looked at. */
#define must_check __attribute__((warn_unused_result))
#ifdef _WIN32 /* mingw-w64's own printf() */
#define printf_like(text, first) __attribute__((__format__(__gnu_printf__, text, first)))
#else
#define printf_like(text, first) __attribute__((__format__(__printf__, text, first)))
#endif
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/** Runs `function(&variable)` when the variable leaves its scope. */
#define scoped(function) __attribute__((cleanup(function)))

/** Hands a pointer over: yields its value and leaves NULL behind. */
#define take(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

/** The struct that embeds `member` at `pointer`. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
