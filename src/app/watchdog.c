/* Finds processes that hang: each is asked for a sign of life, and one that owes it too long is
 * ended with SIGKILL, and replaced as after any other end.
 *
 * A machine may be so busy that a sound process gets no turn for long. So only time counts in which
 * it could have answered: not while it waits for a CPU (state R without using any), not while it
 * waits for a disk (D), and not while the guardian itself was late. One that computes without end
 * is found by the CPU that it has used since it was asked. */
#include <signal.h>

#include "app/process.h"
#include "app/processes.h"
#include "app/supervise.h"
#include "app/watchdog.h"
#include "base/error.h"

#define STEP_MIN (200 * NSEC_PER_MSEC)
#define STEP_MAX (2 * NSEC_PER_SEC)
#define STEP_OFF (10 * NSEC_PER_SEC) /* a reload may turn it on */

void watchdog_hear(struct child *child, const struct ipc_message *message)
{
    if (message->kind == IPC_PONG)
        child->pulse = (struct pulse){0};
}

bool watchdog_judge(struct pulse *pulse, const struct process_activity *activity, nsec_t passed,
                    nsec_t deadline)
{
    if (!pulse->missed) {
        pulse->missed = true;
        pulse->silent = 0;
        pulse->cpu = activity->cpu;
        return false;
    }
    switch (activity->state) {
    case 'R':
        return activity->cpu - pulse->cpu >= deadline;
    case 'D':
    case 'Z':
    case 'X':
        return false;
    default:
        pulse->silent += passed;
        return pulse->silent >= deadline;
    }
}

/* Asks, or judges one that owes an answer. @return whether it hangs */
static bool beat(struct child *child, nsec_t passed, nsec_t deadline)
{
    struct process_activity activity;

    if (!child->pid || child->socket < 0)
        return false;
    if (child->pulse.asked)
        return process_activity(child->pid, &activity) >= 0 &&
               watchdog_judge(&child->pulse, &activity, passed, deadline);
    /* One that cannot be asked has ended, or is full of orders: then it is not asked now. */
    child->pulse.asked = ipc_say(child->socket, IPC_PING, 0, SPAN("")) >= 0;
    return false;
}

static void beat_workers(struct watchdog *watchdog, nsec_t passed, nsec_t deadline)
{
    uint64_t generation = watchdog->generation(watchdog->context);

    list_for_each (worker, spare, &watchdog->workers->list, struct worker_process, link) {
        /* One that takes over settings computes for as long as it needs for all of its sites. */
        bool busy = worker->applied != generation && deadline < APPLY_TIMEOUT;
        if (!beat(&worker->child, passed, busy ? APPLY_TIMEOUT : deadline))
            continue;
        log_event(watchdog->log, LOG_ERROR, "a worker hangs, ending it",
                  "worker=%u pid=%d deadline=%llds", worker->number, (int)worker->child.pid,
                  (long long)(deadline / NSEC_PER_SEC));
        supervise_kill(worker);
    }
}

/* @return whether one that workers wait for owes an answer */
static bool beat_processes(struct watchdog *watchdog, nsec_t passed, nsec_t deadline)
{
    bool owes = false;

    for (size_t i = 0; i < PROCESSES_LASTING; i++) {
        struct child *child = &watchdog->processes->items[i].child;
        if (!process_rows[i].heartbeat)
            continue;
        if (beat(child, passed, deadline)) {
            log_event(watchdog->log, LOG_ERROR, "a process hangs, ending it",
                      "process=%s pid=%d deadline=%llds", process_rows[i].name, (int)child->pid,
                      (long long)(deadline / NSEC_PER_SEC));
            kill(child->pid, SIGKILL);
        }
        owes |= process_rows[i].channel == CHANNEL_BLOCKING && child->pulse.missed;
    }
    return owes;
}

static void on_heartbeat(struct loop_timer *timer, nsec_t now)
{
    struct watchdog *watchdog = container_of(timer, struct watchdog, timer);
    nsec_t deadline = watchdog->deadline(watchdog->context);
    nsec_t step = deadline == 0             ? STEP_OFF
                  : deadline / 5 < STEP_MIN ? STEP_MIN
                  : deadline / 5 > STEP_MAX ? STEP_MAX
                                            : deadline / 5;
    nsec_t late = now - watchdog->due;

    watchdog->due = now + step;
    loop_timer_set(watchdog->loop, timer, now + step);
    if (deadline == 0)
        return;
    nsec_t passed = late > step ? 0 : step;
    /* Workers wait for signatures: while the keys process owes an answer they may owe theirs. */
    bool owes = beat_processes(watchdog, passed, deadline);
    beat_workers(watchdog, owes ? 0 : passed, deadline);
}

void watchdog_start(struct watchdog *watchdog)
{
    watchdog->timer.on_timeout = on_heartbeat;
    watchdog->due = nsec_monotonic() + STEP_MIN;
    loop_timer_set(watchdog->loop, &watchdog->timer, watchdog->due);
}
