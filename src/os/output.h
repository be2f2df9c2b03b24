/* Writing to a descriptor that others may share and that maybe nobody reads (a pipe, a terminal
 * that was stopped, a socket), without waiting and without changing it for the others. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "base/span.h"

enum output_kind {
    OUTPUT_FILE,        /**< a file on a disk: waits for that alone */
    OUTPUT_NONBLOCKING, /**< its own open file description is non-blocking */
    OUTPUT_SOCKET,      /**< each call says that it does not wait */
    OUTPUT_POLLED,      /**< asked before each write, of at most PIPE_BUF bytes */
};

struct output {
    int fd; /**< -1: none */
    enum output_kind kind;
    bool torn;        /**< output_line(): the last line has no end yet */
    uint64_t dropped; /**< output_line(): lines since the last that was written */
};

/** Opens the descriptor's file once more, where that works, so that writes need not wait.
 *  @param fd  stays the caller's @return 0, or -errno */
must_check int output_open(struct output *output, int fd);
/** Takes over a descriptor of output_open(), in a process that opens nothing. */
void output_adopt(struct output *output, int fd);
void output_close(struct output *output);

/** @return bytes written, maybe fewer than given; -EAGAIN when there is no room; -errno */
must_check ssize_t output_write(const struct output *output, struct span bytes);
/** Writes a whole line with its newline, or counts it as dropped. The next line that finds room is
 *  preceded by one that says how many were.
 *  @return whether it was written */
bool output_line(struct output *output, struct span line);
