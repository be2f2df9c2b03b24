/* The protocol of clamd (clamd(8)): several streams of bytes in one session, each answered by what
 * was found in it. No sockets: bytes go in and out. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

enum { CLAMD_NAME_MAX = 128, CLAMD_LINE_MAX = 1024 };

enum clamd_result {
    CLAMD_WAITING,
    CLAMD_CLEAN, /**< every stream is */
    CLAMD_FOUND, /**< session->found says what */
    CLAMD_FAILED,
};

/** Zeroed memory with the streams set is a session that begins. */
struct clamd_session {
    const struct span *streams;
    size_t count;
    size_t at;     /**< the stream that is sent */
    size_t offset; /**< in it */
    int step;      /**< enum step, private */
    size_t answers;
    bool failed;
    size_t line_len;
    char line[CLAMD_LINE_MAX];
    char found[CLAMD_NAME_MAX + 1];
};

/** Writes what is to be sent next. @param cap  at least 64
 *  @return bytes; 0: all was sent */
size_t clamd_produce(struct clamd_session *session, char *out, size_t cap);
/** What clamd answered. */
enum clamd_result clamd_hear(struct clamd_session *session, struct span bytes);
