/* Finds processes that hang, and ends them; they are then replaced as if they had died. */
#pragma once

#include "app/child.h"
#include "app/ipc.h"
#include "os/process.h"

#include "os/loop.h"

struct processes;
struct workers;

struct watchdog {
    struct loop *loop;
    const struct log *log;
    struct workers *workers;
    struct processes *processes;
    /** How long a process may be silent; 0: nobody is asked. */
    nsec_t (*deadline)(void *context);
    /** The generation of settings that workers are to have: one that is behind takes them over. */
    uint64_t (*generation)(void *context);
    void *context;
    struct loop_timer timer; /* private */
    nsec_t due;
};

/** Begins to ask the keys process and the workers for signs of life; those that hang are ended, and
 *  then replaced as if they had died. */
void watchdog_start(struct watchdog *watchdog);
/** Takes note of a message that a process sent. */
void watchdog_hear(struct child *child, const struct ipc_message *message);
/** One look at a process that has not answered: does it hang?
 *  @param passed    since the last look; 0 when that time shall not count
 *  @param deadline  how long it may be silent, or compute without a word */
bool watchdog_judge(struct pulse *pulse, const struct process_activity *activity, nsec_t passed,
                    nsec_t deadline);
