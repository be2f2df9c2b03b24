/* Handlers that answer later: one from a timer, one that echoes a body slowly; and a policy that
 * makes bodies wait. They exist in tests only and prove the asynchronous half of the pipeline. */
#pragma once

#include "serve/serve.h"

enum { ECHO_STEP = 16 * 1024, ECHO_OUT_MAX = 64 * 1024 };
#define ECHO_PAUSE (10 * NSEC_PER_MSEC)
#define LATER_PAUSE (300 * NSEC_PER_MSEC)

/** What the handlers saw; written by the server's thread. */
struct slow_counts {
    unsigned starts;
    unsigned closes;
    size_t max_in; /**< most bytes that one echo had to keep */
    bool stopped;  /**< echoes consume and send nothing while it is set */
};

extern struct slow_counts slow_counts;
/** Answers "later" after LATER_PAUSE. */
extern const struct handler later_handler;
/** Sends the body back, ECHO_STEP bytes each ECHO_PAUSE. */
extern const struct handler echo_handler;

/** Makes bodies wait until they are complete, and a moment longer; refuses one with "evil" in it.
 */
extern const struct protect_policy waiting_policy;
