/* Finds processes that hang: each is asked for a sign of life, and one that owes it too long is
 * ended with SIGKILL, and replaced as after any other end.
 *
 * A machine may be so busy that a sound process gets no turn for long. So only time counts in which
 * it could have answered: not while it waits for a CPU (state R without using any), not while it
 * waits for a disk (D), and not while the guardian itself was late. One that computes without end
 * is found by the CPU that it has used since it was asked. */
#include <signal.h>

#include "app/guardian_state.h"
#include "app/reload.h"
#include "app/watchdog.h"
#include "base/error.h"

#define STEP_LEAST (200 * NSEC_PER_MSEC)
#define STEP_MOST (2 * NSEC_PER_SEC)
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

static void beat_workers(struct guardian *g, nsec_t passed, nsec_t deadline)
{
    list_for_each (worker, spare, &g->workers, struct worker_process, link) {
        /* One that takes over settings computes for as long as it needs for all of its sites. */
        bool busy = worker->applied != g->generation && deadline < APPLY_TIMEOUT;
        if (!beat(&worker->child, passed, busy ? APPLY_TIMEOUT : deadline))
            continue;
        log_event(&g->log, LOG_ERROR, "a worker hangs, ending it",
                  "worker=%u pid=%d deadline=%llds", worker->number, (int)worker->child.pid,
                  (long long)(deadline / NSEC_PER_SEC));
        supervise_kill(worker);
    }
}

/* @return whether one that workers wait for owes an answer */
static bool beat_processes(struct guardian *g, nsec_t passed, nsec_t deadline)
{
    bool owes = false;

    for (size_t i = 0; i < PROCESSES_LASTING; i++) {
        struct child *child = &g->processes.items[i].child;
        if (!process_rows[i].heartbeat)
            continue;
        if (beat(child, passed, deadline)) {
            log_event(&g->log, LOG_ERROR, "a process hangs, ending it",
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
    struct guardian *g = container_of(timer, struct guardian, heartbeat);
    nsec_t deadline = g->live ? g->live->prepared.settings->watchdog : 0;
    nsec_t step = deadline == 0               ? STEP_OFF
                  : deadline / 5 < STEP_LEAST ? STEP_LEAST
                  : deadline / 5 > STEP_MOST  ? STEP_MOST
                                              : deadline / 5;
    nsec_t late = now - g->heartbeat_at;

    g->heartbeat_at = now + step;
    loop_timer_set(g->loop, timer, now + step);
    if (deadline == 0 || g->phase == PHASE_STARTING)
        return;
    nsec_t passed = late > step ? 0 : step;
    /* Workers wait for signatures: while the keys process owes an answer they may owe theirs. */
    bool owes = beat_processes(g, passed, deadline);
    beat_workers(g, owes ? 0 : passed, deadline);
}

void watchdog_start(struct guardian *g)
{
    g->heartbeat.on_timeout = on_heartbeat;
    g->heartbeat_at = nsec_monotonic() + STEP_LEAST;
    loop_timer_set(g->loop, &g->heartbeat, g->heartbeat_at);
}
