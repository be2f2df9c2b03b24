/* Log lines: one event, one line of key=value. Where lines go is the process's choice. */
#pragma once

#include "base/buffer.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_DEBUG };

struct log {
    enum log_level level; /**< lines above it are dropped */
    const char *process;  /**< "guardian", "worker"… */
    /** Takes one line with its newline; must not block for long. */
    void (*sink)(void *context, struct span line);
    void *context;
};

/** Writes `time level process event` and the fields.
 *  @param event   a few words without quotes, e.g. "certificate loaded"
 *  @param fields  printf format of `key=value` pairs; a peer's text goes through log_quote() */
void log_event(const struct log *log, enum log_level level, const char *event, const char *fields,
               ...) printf_like(4, 5);

/** Appends the bytes in double quotes, with what is not printable ASCII, quotes and backslashes
 *  escaped. @return 0, or ERR_LIMIT */
must_check int log_quote(struct buffer *out, struct span text);
/** The same into the caller's array, cut to fit; yields `out`. */
const char *log_quoted(char *out, size_t room, struct span text);
