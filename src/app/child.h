/* A running process as the guardian sees it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/nsec.h"
#include "os/loop.h"

/* Whether a process answers. */
struct pulse {
    bool asked;    /* a PING is unanswered */
    bool missed;   /* at the last look it was unanswered already: what follows is set */
    nsec_t silent; /* how long it has been so, while it did not wait for CPU or disk */
    nsec_t cpu;    /* that it had used by then */
};

struct child {
    pid_t pid;  /* 0: not running */
    int socket; /* SEQPACKET, -1: none */
    struct loop_watch watch;
    nsec_t started;
    unsigned failures; /* ends within SHORT_LIFE, in a row */
    struct pulse pulse;
};

#define SHORT_LIFE NSEC_PER_SEC /* a process that ends sooner is started again ever later */

/** Counts an end. @return how long to wait before the next start, 0 to 0.9 s */
static inline nsec_t child_pause(struct child *child, nsec_t now)
{
    child->failures = now - child->started > SHORT_LIFE ? 0 : child->failures + 1;
    unsigned steps = child->failures ? child->failures - 1 : 0;
    return (nsec_t)(steps < 9 ? steps : 9) * 100 * NSEC_PER_MSEC;
}
