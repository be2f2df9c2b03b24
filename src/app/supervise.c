/* The workers: started with just what they need, heard, and replaced when they die. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/supervise.h"
#include "app/watchdog.h"
#include "app/worker.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/fdpass.h"
#include "os/process.h"
#include "os/socket.h"
#include "protect/protect.h"

#define ORDER_TIMEOUT (5 * NSEC_PER_SEC) /* a worker that takes none for so long hangs */

enum { FAILURES_MAX = 4 /* ends in a row that make a start a failed one */ };

/* ---- folders that a sandbox opens ---- */

void supervise_note_folders(struct worker_process *worker, const struct served_folders *served)
{
    free(worker->folders);
    worker->folders = mem_zalloc((served->count + 1) * sizeof *worker->folders);
    worker->folder_count = served->count;
    memcpy(worker->folders, served->ids, served->count * sizeof *worker->folders);
}

bool supervise_can_open(const struct worker_process *worker, const struct served_folders *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        if (!folder_lies_in(folders->fds[i], worker->folders, worker->folder_count))
            return false;
    return true;
}

/* ---- messages ---- */

static void hear(struct workers *workers, struct worker_process *worker,
                 const struct ipc_message *m)
{
    char why[256];

    watchdog_hear(&worker->child, m);
    switch (m->kind) {
    case IPC_APPLIED:
        workers->events.on_applied(workers->events.context, worker, m->value);
        break;
    case IPC_FAILED:
        snprintf(why, sizeof why, "%.*s", (int)m->text_len, m->text);
        workers->events.on_failed(workers->events.context, m->value, why);
        break;
    case IPC_STATS:
        if (m->text_len == sizeof worker->stats)
            memcpy(&worker->stats, m->text, sizeof worker->stats);
        break;
    default: /* READY and DRAINED change nothing here: APPLIED and the exit follow */
        break;
    }
}

static void on_word(struct loop_watch *watch, unsigned events)
{
    struct worker_process *worker = container_of(watch, struct worker_process, child.watch);
    struct workers *workers = worker->all;
    struct ipc_message message;

    (void)events;
    int r = ipc_receive(watch->fd, &message);
    if (r > 0) {
        hear(workers, worker, &message);
        ipc_finish(&message);
    } else if (r != -EAGAIN) {
        /* It is gone, or speaks nonsense, which only one that was taken over does. */
        loop_remove(workers->loop, watch);
        if (r < 0)
            supervise_kill(worker);
    }
}

/* ---- start ---- */

static unsigned free_number(struct workers *workers)
{
    for (unsigned number = 0; number < workers->rows; number++) {
        bool used = false;
        list_for_each (other, spare, &workers->list, struct worker_process, link)
            used |= other->number == number;
        if (!used)
            return number;
    }
    return workers->rows;
}

static int fork_worker(struct workers *workers, struct worker_process *worker, int socket)
{
    const struct worker_start start = {.number = worker->number, .shared = workers->shared};
    struct process_launch launch = process_launch_of(PROCESS_WORKER, socket, &start);
    char name[16];

    snprintf(name, sizeof name, "gardien %u", worker->number);
    launch.title = name;
    int r = processes_open_links(workers->processes, &launch);
    if (r >= 0)
        r = process_launch(workers->host, &launch);
    processes_close_links(&launch);
    return r;
}

void supervise_connect(struct workers *workers, enum process_id id)
{
    const struct process_link *link = process_link_find(PROCESS_WORKER, id);

    list_for_each (worker, spare, &workers->list, struct worker_process, link) {
        if (!worker->child.pid)
            continue;
        int fd = processes_connect(workers->processes, link);
        int r = fd < 0 ? fd : ipc_pass(worker->child.socket, IPC_CHANNEL, id, fd);
        if (fd >= 0)
            close(fd);
        if (r < 0)
            supervise_kill(worker);
    }
}

static int start(struct workers *workers, struct worker_process *worker)
{
    int pair[2];

    int r = fdpass_pair(pair);
    if (r < 0)
        return r;
    r = fork_worker(workers, worker, pair[1]);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    worker->applied = 0;
    worker->stats = (struct ipc_stats){0};
    worker->child.pid = r;
    worker->child.socket = pair[0];
    worker->child.started = nsec_monotonic();
    worker->child.pulse = (struct pulse){0};
    worker->child.watch = (struct loop_watch){.fd = pair[0], .on_event = on_word};
    r = loop_add(workers->loop, &worker->child.watch, LOOP_LEVEL);
    if (r >= 0)
        r = socket_send_timeout(pair[0], ORDER_TIMEOUT);
    if (r >= 0)
        r = workers->events.on_started(workers->events.context, worker);
    if (r < 0)
        supervise_kill(worker); /* its end leads to another start */
    return 0;
}

static void worker_free(struct worker_process *worker)
{
    loop_timer_cancel(worker->all->loop, &worker->restart);
    list_remove(&worker->link);
    free(worker->folders);
    free(worker);
}

static void on_restart(struct loop_timer *timer, nsec_t now)
{
    struct worker_process *worker = container_of(timer, struct worker_process, restart);
    struct workers *workers = worker->all;

    int r = start(workers, worker);
    if (r >= 0) {
        log_event(workers->log, LOG_NOTICE, "worker replaced", "worker=%u pid=%d", worker->number,
                  (int)worker->child.pid);
        return;
    }
    log_event(workers->log, LOG_ERROR, "a worker could not be started, trying again",
              "reason=\"%s\"", error_text(r));
    loop_timer_set(workers->loop, &worker->restart, now + child_pause(&worker->child, now));
}

/* Workers that drain go on reading their UDP sockets, so that one who follows gets others. Who
 * finds none free serves no HTTP/3. */
static uint8_t free_generation(const struct workers *workers, unsigned slot,
                               enum worker_state state)
{
    uint8_t last = slot < UDP_SLOTS ? workers->udp_generations[slot] : 0;

    for (unsigned i = state == WORKER_CANDIDATE; i < UDP_GENERATIONS; i++) {
        uint8_t generation = (uint8_t)((last + i) % UDP_GENERATIONS);
        bool used = false;
        list_for_each (other, spare, &workers->list, struct worker_process, link)
            used |= other->slot == slot && other->udp_generation == generation;
        if (!used)
            return generation;
    }
    return UDP_GENERATIONS;
}

int supervise_spawn(struct workers *workers, unsigned slot, enum worker_state state)
{
    unsigned number = free_number(workers);

    if (number == workers->rows) { /* too many still drain: cut the one that has drained longest */
        list_for_each (other, spare, &workers->list, struct worker_process, link)
            if (other->state == WORKER_DRAINING) {
                supervise_kill(other);
                break;
            }
        return -EAGAIN;
    }
    struct worker_process *worker = mem_new(struct worker_process);
    worker->all = workers;
    worker->slot = slot;
    worker->udp_generation = free_generation(workers, slot, state);
    worker->number = number;
    worker->state = state;
    worker->child.socket = -1;
    worker->restart.on_timeout = on_restart;
    list_append(&workers->list, &worker->link);
    int r = start(workers, worker);
    if (r < 0)
        worker_free(worker);
    return r;
}

struct worker_process *supervise_find(const struct workers *workers, unsigned slot,
                                      enum worker_state state)
{
    list_for_each (worker, spare, &workers->list, struct worker_process, link)
        if (worker->slot == slot && worker->state == state)
            return worker;
    return NULL;
}

/* ---- end ---- */

void supervise_drain(struct worker_process *worker, nsec_t time)
{
    struct workers *workers = worker->all;

    worker->state = WORKER_DRAINING;
    worker->drain_until = nsec_monotonic() + time + NSEC_PER_SEC;
    if (!worker->child.pid) {
        worker_free(worker);
        workers->events.on_gone(workers->events.context);
        return;
    }
    if (ipc_say(worker->child.socket, IPC_DRAIN, (uint64_t)time, SPAN("")) < 0)
        supervise_kill(worker);
}

void supervise_drain_all(struct workers *workers, nsec_t time)
{
    list_for_each (worker, spare, &workers->list, struct worker_process, link)
        supervise_drain(worker, time);
}

void supervise_kill(struct worker_process *worker)
{
    if (worker->child.pid)
        kill(worker->child.pid, SIGKILL);
}

void supervise_cut_late(struct workers *workers, nsec_t now)
{
    list_for_each (worker, spare, &workers->list, struct worker_process, link)
        if (worker->state == WORKER_DRAINING && now >= worker->drain_until)
            supervise_kill(worker);
}

static void log_end(struct workers *workers, const struct worker_process *worker, int status,
                    const char *event)
{
    bool signalled = WIFSIGNALED(status);

    log_event(workers->log, LOG_WARNING, event, "worker=%u pid=%d %s=%d", worker->number,
              (int)worker->child.pid, signalled ? "signal" : "exit",
              signalled ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void release(struct workers *workers, struct worker_process *worker)
{
    loop_remove(workers->loop, &worker->child.watch);
    close(worker->child.socket);
    worker->child.socket = -1;
    worker->child.pid = 0;
    protect_shared_forget(workers->shared, worker->number);
}

bool supervise_on_exit(struct workers *workers, pid_t pid, int status)
{
    struct worker_process *worker = NULL;
    nsec_t now = nsec_monotonic();

    list_for_each (other, spare, &workers->list, struct worker_process, link)
        if (other->child.pid == pid)
            worker = other;
    if (!worker)
        return false;
    if (worker->state == WORKER_DRAINING || workers->ending) {
        if (status != 0)
            log_end(workers, worker, status, "a worker ended before its connections did");
        release(workers, worker);
        worker_free(worker);
        workers->events.on_gone(workers->events.context);
        return true;
    }
    log_end(workers, worker, status, "a worker ended, replacing it");
    release(workers, worker);
    loop_timer_set(workers->loop, &worker->restart, now + child_pause(&worker->child, now));
    if (worker->child.failures >= FAILURES_MAX)
        workers->events.on_failed(workers->events.context, 0,
                                  "a worker process ends right after its start");
    return true;
}

void supervise_send(struct workers *workers, const struct ipc_message *message)
{
    list_for_each (worker, spare, &workers->list, struct worker_process, link)
        if (worker->child.pid && ipc_send(worker->child.socket, message) < 0)
            supervise_kill(worker);
}

void supervise_tell(struct workers *workers, enum ipc_kind kind, uint64_t value, struct span text)
{
    list_for_each (worker, spare, &workers->list, struct worker_process, link)
        if (worker->child.pid && ipc_say(worker->child.socket, kind, value, text) < 0)
            supervise_kill(worker);
}

void supervise_free(struct workers *workers)
{
    list_for_each (worker, spare, &workers->list, struct worker_process, link) {
        if (worker->child.pid) {
            supervise_kill(worker);
            waitpid(worker->child.pid, NULL, 0);
            release(workers, worker);
        }
        worker_free(worker);
    }
}
