/* Lasting processes: started as their rows say, told what they need, replaced, ended.
 *
 * processes_start → on_started → on_message … → processes_on_exit → on_restart → processes_start */
#include "app/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/settings.h"
#include "app/watchdog.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/fdpass.h"
#include "os/socket.h"

#define ANSWER_TIMEOUT (5 * NSEC_PER_SEC)  /* for one order */
#define CHANNEL_TIMEOUT (2 * NSEC_PER_SEC) /* of CHANNEL_BLOCKING */
#define RESTART_PAUSE (10 * NSEC_PER_SEC)  /* of RESTART_LATER */
#define NOTES_PERIOD (10 * NSEC_PER_SEC)

enum {
    LINES_ROOM = 4 << 20, /* of CHANNEL_LINES: bytes that wait for a slow disk, a worker */
    NOTES_MAX = 50,       /* in NOTES_PERIOD: a process that was taken over fills no disk */
};

static enum process_id id_of(const struct process *process)
{
    return (enum process_id)(process - process->all->items);
}

static const struct process_row *row_of(const struct process *process)
{
    return &process_rows[id_of(process)];
}

void processes_init(struct processes *processes)
{
    *processes = (struct processes){.ending = false};
    for (size_t i = 0; i < PROCESSES_LASTING; i++) {
        processes->items[i].child.socket = -1;
        processes->items[i].all = processes;
    }
}

/* ---- what they say ---- */

static void log_note(struct process *process, const struct ipc_message *message)
{
    const struct log *log = process->all->log;
    char quoted[1600];
    nsec_t now = nsec_monotonic();

    if (now - process->notes_since >= NOTES_PERIOD) {
        if (process->notes > NOTES_MAX)
            log_event(log, LOG_WARNING, "a process said too much, not all was written",
                      "process=%s dropped=%u", row_of(process)->name, process->notes - NOTES_MAX);
        process->notes_since = now;
        process->notes = 0;
    }
    if (++process->notes > NOTES_MAX)
        return;
    log_event(log,
              message->value == LOG_NOTICE  ? LOG_NOTICE
              : message->value == LOG_ERROR ? LOG_ERROR
                                            : LOG_WARNING,
              row_of(process)->name, "said=%s",
              log_quoted(quoted, sizeof quoted, span_of(message->text, message->text_len)));
}

static void on_word(struct loop_watch *watch, unsigned events)
{
    struct process *process = container_of(watch, struct process, child.watch);
    struct processes *all = process->all;
    struct pollfd word = {.fd = watch->fd, .events = POLLIN};
    struct ipc_message message;

    (void)events;
    /* Whoever waits for an answer elsewhere (key_ring.c) may have taken what was reported here. */
    if (poll(&word, 1, 0) <= 0)
        return;
    int r = ipc_receive(watch->fd, &message);
    if (r == -EAGAIN)
        return;
    if (r <= 0) { /* its end follows; one that speaks nonsense was taken over */
        loop_remove(all->loop, watch);
        if (r == ERR_PROTOCOL && process->child.pid)
            kill(process->child.pid, SIGKILL);
        return;
    }
    watchdog_hear(&process->child, &message);
    if (message.kind == IPC_NOTE)
        log_note(process, &message);
    else if (message.kind != IPC_PONG)
        all->events.on_message(all->events.context, id_of(process), &message);
    ipc_finish(&message);
}

/* ---- what they are told ---- */

int processes_order(struct processes *processes, enum process_id id,
                    const struct ipc_message *message)
{
    const struct child *child = &processes->items[id].child;

    return child->socket >= 0 ? ipc_send(child->socket, message) : -ENOTCONN;
}

static void complain(const struct process *process, const char *event, const char *why)
{
    log_event(process->all->log, LOG_WARNING, event, "process=%s reason=\"%s\"",
              row_of(process)->name, why);
}

static void send_settings(struct process *process, const struct process_orders *orders)
{
    const struct process_row *row = row_of(process);
    struct ipc_message message = {.kind = IPC_SETTINGS};
    struct diags diags = {0};
    int files[PROCESS_FILES_MAX];

    if (!row->takes_settings || !orders->settings || process->child.socket < 0)
        return;
    int text = ipc_memory(span_str(orders->text));
    int r = text;
    int count = 0;
    if (r >= 0 && row->open_files)
        r = count = row->open_files(orders->settings, orders->state_fd, &diags, files);
    message.fds[message.fd_count++] = text;
    for (int i = 0; i < count; i++)
        if (files[i] >= 0) {
            message.value |= UINT64_C(1) << i;
            message.fds[message.fd_count++] = files[i];
        }
    if (r >= 0)
        r = processes_order(process->all, id_of(process), &message);
    if (r < 0)
        complain(process, "a process cannot be given its settings",
                 diags.count ? diags.items[0].sentence : error_text(r));
    if (text >= 0)
        ipc_finish(&message);
    diags_finish(&diags);
}

static void send_ports(struct process *process, const struct process_orders *orders)
{
    struct ipc_message message = {.kind = IPC_PORTS, .text_len = sizeof orders->ports};

    _Static_assert(sizeof orders->ports <= IPC_TEXT_MAX, "the ports fit into one message");
    if (!row_of(process)->takes_ports || !orders->settings || process->child.socket < 0)
        return;
    memcpy(message.text, &orders->ports, sizeof orders->ports);
    int r = processes_order(process->all, id_of(process), &message);
    if (r < 0)
        complain(process, "a process does not listen", error_text(r));
}

static bool wanted(const struct process *process, const struct process_orders *orders)
{
    const struct process_row *row = row_of(process);

    if (row->takes_ports && (process->all->ports_left || !orders->ports.count))
        return false;
    return !row->wanted || (orders->settings && row->wanted(orders->settings));
}

/* ---- start ---- */

static int open_child(struct process *process)
{
    struct processes *all = process->all;
    int pair[2];

    int r = fdpass_pair(pair);
    if (r < 0)
        return r;
    struct process_launch launch = process_launch_of(id_of(process), pair[1], NULL);
    r = processes_open_links(all, &launch);
    pid_t pid = r < 0 ? r : process_launch(all->host, &launch);
    processes_close_links(&launch);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pid;
    }
    process->child.pid = pid;
    process->child.socket = pair[0];
    process->child.started = nsec_monotonic();
    process->child.pulse = (struct pulse){0};
    process->child.watch = (struct loop_watch){.fd = pair[0], .on_event = on_word};
    r = socket_receive_timeout(pair[0], ANSWER_TIMEOUT);
    if (r >= 0)
        r = socket_send_timeout(pair[0], ANSWER_TIMEOUT);
    if (r >= 0)
        r = loop_add(all->loop, &process->child.watch, LOOP_LEVEL);
    if (r < 0)
        kill(pid, SIGKILL); /* its end is seen, and leads to another start */
    return r;
}

/* Everybody who is linked to a process that was started gets a channel to it. */
static void reconnect(struct processes *processes, enum process_id id)
{
    for (size_t i = 0; i < PROCESSES_LASTING; i++) {
        const struct process_link *link = process_link_find((enum process_id)i, id);
        const struct child *child = &processes->items[i].child;
        if (!link || child->socket < 0)
            continue;
        int fd = processes_connect(processes, link);
        int r = fd < 0 ? fd : ipc_pass(child->socket, IPC_CHANNEL, id, fd);
        if (fd >= 0)
            close(fd);
        if (r < 0) /* it would never learn: another start leads to another try */
            kill(child->pid, SIGKILL);
    }
    if (process_link_find(PROCESS_WORKER, id))
        processes->events.on_channel(processes->events.context, id);
}

int processes_start(struct processes *processes, enum process_id id)
{
    struct process *process = &processes->items[id];
    struct process_orders orders;

    if (process->child.pid)
        return 0;
    loop_timer_cancel(processes->loop, &process->restart);
    int r = open_child(process);
    if (r < 0)
        return r;
    processes->events.orders(processes->events.context, &orders);
    send_settings(process, &orders);
    send_ports(process, &orders);
    processes->events.on_started(processes->events.context, id);
    reconnect(processes, id);
    return 0;
}

static void forget_socket(struct process *process)
{
    if (process->child.socket < 0)
        return;
    loop_remove(process->all->loop, &process->child.watch);
    close(process->child.socket);
    process->child.socket = -1;
}

static void follow(struct process *process, const struct process_orders *orders)
{
    int r = 0;

    if (!wanted(process, orders)) {
        loop_timer_cancel(process->all->loop, &process->restart);
        forget_socket(process); /* it gives back what it has, and ends */
    } else if (!process->child.pid) {
        r = processes_start(process->all, id_of(process));
    } else {
        send_settings(process, orders);
        send_ports(process, orders);
    }
    if (r < 0)
        complain(process, "a process cannot be started", error_text(r));
}

static void follow_all(struct processes *processes, bool ports)
{
    struct process_orders orders;

    processes->events.orders(processes->events.context, &orders);
    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        if (process_rows[i].takes_ports == ports)
            follow(&processes->items[i], &orders);
}

void processes_follow(struct processes *processes)
{
    follow_all(processes, false);
}

void processes_follow_ports(struct processes *processes)
{
    follow_all(processes, true);
}

/* ---- channels ---- */

static int set_nonblocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* Makes the asker's end of a pair, and with CHANNEL_EVENTS the other one, as the row says. */
static int prepare_channel(enum process_channel kind, const int pair[2])
{
    int room = LINES_ROOM;

    if (kind == CHANNEL_BLOCKING)
        return socket_receive_timeout(pair[0], CHANNEL_TIMEOUT);
    if (kind == CHANNEL_LINES &&
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    int r = set_nonblocking(pair[0]);
    return r >= 0 && kind == CHANNEL_EVENTS ? set_nonblocking(pair[1]) : r;
}

int processes_connect(struct processes *processes, const struct process_link *link)
{
    const struct child *child = &processes->items[link->to].child;
    int pair[2];

    int r = fdpass_pair(pair);
    if (r < 0)
        return r;
    r = prepare_channel(process_rows[link->to].channel, pair);
    /* With no process the other end is closed, and whoever asks learns at once. */
    if (r >= 0 && child->socket >= 0)
        r = ipc_pass(child->socket, IPC_CLIENT, link->rights, pair[1]);
    close(pair[1]);
    if (r == -EPIPE || r == -ECONNRESET) /* it just ended: as if there were none */
        r = 0;
    if (r < 0)
        close(pair[0]);
    return r < 0 ? r : pair[0];
}

const struct process_link *process_link_find(enum process_id from, enum process_id to)
{
    const struct process_row *row = &process_rows[from];

    for (size_t i = 0; i < row->link_count; i++)
        if (row->links[i].to == to)
            return &row->links[i];
    return NULL;
}

int processes_open_links(struct processes *processes, struct process_launch *launch)
{
    const struct process_row *row = &process_rows[launch->id];

    for (size_t i = 0; i < row->link_count; i++) {
        int fd = processes_connect(processes, &row->links[i]);
        if (fd < 0)
            return fd;
        launch->others[row->links[i].to] = fd;
    }
    return 0;
}

void processes_close_links(struct process_launch *launch)
{
    for (size_t i = 0; i < PROCESSES_LASTING; i++) {
        if (launch->others[i] >= 0)
            close(launch->others[i]);
        launch->others[i] = -1;
    }
}

/* ---- replacement ---- */

static void on_restart(struct loop_timer *timer, nsec_t now)
{
    struct process *process = container_of(timer, struct process, restart);
    struct processes *all = process->all;
    struct process_orders orders;

    all->events.orders(all->events.context, &orders);
    if (all->ending || process->child.pid || !wanted(process, &orders))
        return;
    int r = processes_start(all, id_of(process));
    if (r >= 0) {
        log_event(all->log, LOG_NOTICE, "a process was replaced", "process=%s pid=%d",
                  row_of(process)->name, (int)process->child.pid);
        return;
    }
    log_event(all->log, LOG_ERROR, "a process could not be started again, trying on",
              "process=%s reason=\"%s\"", row_of(process)->name, error_text(r));
    loop_timer_set(all->loop, timer, now + NSEC_PER_SEC);
}

/* What it wrote before it ended, such as why. */
static void hear_last_words(struct process *process)
{
    struct pollfd word = {.fd = process->child.socket, .events = POLLIN};

    for (int i = 0; i < NOTES_MAX && process->child.socket >= 0; i++) {
        struct ipc_message message;
        if (poll(&word, 1, 0) <= 0 || ipc_receive(word.fd, &message) <= 0)
            return;
        if (message.kind == IPC_NOTE)
            log_note(process, &message);
        ipc_finish(&message);
    }
}

static void log_end(const struct process *process, int status)
{
    if (status == 0)
        return;
    log_event(process->all->log, LOG_WARNING, "a process ended", "process=%s pid=%d %s=%d",
              row_of(process)->name, (int)process->child.pid,
              WIFSIGNALED(status) ? "signal" : "exit",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void on_exit_of(struct process *process, int status)
{
    struct processes *all = process->all;
    nsec_t now = nsec_monotonic();

    hear_last_words(process);
    if (!all->ending)
        log_end(process, status);
    forget_socket(process);
    process->child.pid = 0;
    all->events.on_ended(all->events.context, id_of(process));
    nsec_t pause = child_pause(&process->child, now);
    if (all->ending)
        return;
    if (row_of(process)->restart == RESTART_LATER)
        pause = RESTART_PAUSE;
    process->restart.on_timeout = on_restart;
    if (pause)
        loop_timer_set(all->loop, &process->restart, now + pause);
    else
        on_restart(&process->restart, now);
}

bool processes_on_exit(struct processes *processes, pid_t pid, int status)
{
    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        if (processes->items[i].child.pid == pid) {
            on_exit_of(&processes->items[i], status);
            return true;
        }
    return false;
}

/* ---- the end ---- */

static void end_port_keepers(struct processes *processes, bool at_once)
{
    for (size_t i = 0; i < PROCESSES_LASTING; i++) {
        struct process *process = &processes->items[i];
        if (!process_rows[i].takes_ports || !process->child.pid)
            continue;
        if (at_once)
            kill(process->child.pid, SIGKILL);
        forget_socket(process);
    }
}

void processes_release(struct processes *processes)
{
    processes->ending = true;
    end_port_keepers(processes, false);
}

void processes_abandon(struct processes *processes)
{
    processes->ports_left = true;
    end_port_keepers(processes, true);
}

static void await(struct process *process, nsec_t until)
{
    pid_t *awaited = &process->child.pid;

    while (*awaited) {
        pid_t pid = waitpid(*awaited, NULL, WNOHANG);
        if (pid == *awaited || (pid < 0 && errno != EINTR)) {
            *awaited = 0;
        } else if (nsec_monotonic() > until) {
            kill(*awaited, SIGKILL);
            waitpid(*awaited, NULL, 0);
            *awaited = 0;
        } else {
            poll(NULL, 0, 2);
        }
    }
}

void processes_stop(struct processes *processes)
{
    nsec_t now = nsec_monotonic();

    processes->ending = true;
    if (!processes->loop)
        return;
    for (size_t i = 0; i < PROCESSES_LASTING; i++) {
        loop_timer_cancel(processes->loop, &processes->items[i].restart);
        forget_socket(&processes->items[i]);
    }
    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        await(&processes->items[i], now + process_rows[i].end_max);
}
