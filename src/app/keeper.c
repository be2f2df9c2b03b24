/* The keys and logs processes as the guardian sees them: start, sockets for the workers,
 * replacement. Which keys there are is key_ring.c's; what they do inside is keys_process.c's and
 * logs_process.c's. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/helpers.h"
#include "app/internal.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/fdpass.h"
#include "os/process.h"
#include "os/socket.h"
#include "tls/tls.h"

#define ANSWER_TIMEOUT (5 * NSEC_PER_SEC)
#define SIGNATURE_TIMEOUT (2 * NSEC_PER_SEC)

enum { LOG_ROOM = 4 << 20 /* bytes that wait for a slow disk, a worker */ };

/* ---- processes ---- */

static int start(struct guardian *g, struct child *child, const char *name,
                 int (*run)(int guardian, const char *user))
{
    int pair[2];

    int r = fdpass_pair(pair);
    if (r < 0)
        return r;
    pid_t pid = process_fork(name, &pair[1], 1);
    if (pid == 0)
        _exit(run(3, g->user));
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return pid;
    }
    child->pid = pid;
    child->socket = pair[0];
    child->started = nsec_monotonic();
    child->pulse = (struct pulse){0};
    r = socket_receive_timeout(pair[0], ANSWER_TIMEOUT);
    return r < 0 ? r : socket_send_timeout(pair[0], ANSWER_TIMEOUT);
}

/* @param rights  of the new socket, for the keys process */
static int connect_to(const struct child *helper, unsigned rights)
{
    int pair[2];

    int r = fdpass_pair(pair);
    if (r < 0)
        return r;
    /* With no helper the other end is closed, and whoever asks learns at once. */
    if (helper->socket >= 0)
        r = ipc_pass(helper->socket, IPC_CLIENT, rights, pair[1]);
    close(pair[1]);
    if (r == -EPIPE || r == -ECONNRESET) /* it just died: as if there were none */
        r = 0;
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    return pair[0];
}

int keeper_connect_keys(struct guardian *g, unsigned rights)
{
    int fd = connect_to(&g->keys_process, rights);
    int r = fd < 0 ? fd : socket_receive_timeout(fd, SIGNATURE_TIMEOUT);

    if (fd >= 0 && r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

int keeper_connect_logs(struct guardian *g)
{
    int fd = connect_to(&g->logs_process, 0), room = LOG_ROOM;

    if (fd < 0)
        return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* Every worker gets a socket to the new helper. */
static void reconnect_workers(struct guardian *g, enum ipc_kind kind)
{
    list_for_each (worker, spare, &g->workers, struct worker_process, link) {
        if (!worker->child.pid)
            continue;
        int fd = kind == IPC_KEYS_SOCKET ? keeper_connect_keys(g, KEYS_MAY_SHAKE_HANDS)
                                         : keeper_connect_logs(g);
        int r = fd < 0 ? fd : ipc_pass(worker->child.socket, kind, 0, fd);
        if (fd >= 0)
            close(fd);
        if (r < 0)
            supervise_kill(worker);
    }
}

/* ---- keys ---- */

/* Its answers to keys that it is given are waited for there (key_ring.c), which may have taken what
 * was reported here. */
static void on_keys_word(struct loop_watch *watch, unsigned events)
{
    struct guardian *g = container_of(watch, struct guardian, keys_process.watch);
    struct pollfd word = {.fd = watch->fd, .events = POLLIN};
    struct ipc_message message;

    (void)events;
    if (poll(&word, 1, 0) <= 0)
        return;
    int r = ipc_receive(watch->fd, &message);
    if (r > 0) {
        watchdog_hear(&g->keys_process, &message);
        key_ring_hear(g, &message);
        ipc_finish(&message);
    } else if (r != -EAGAIN) {
        loop_remove(g->loop, watch);
    }
}

int keeper_start_keys(struct guardian *g)
{
    int r = start(g, &g->keys_process, "gardien keys", keys_process_run);

    if (r < 0)
        return r;
    g->keys_process.watch =
        (struct loop_watch){.fd = g->keys_process.socket, .on_event = on_keys_word};
    r = loop_add(g->loop, &g->keys_process.watch, LOOP_LEVEL);
    if (r < 0)
        return r;
    key_ring_give_all(g);
    reconnect_workers(g, IPC_KEYS_SOCKET);
    return 0;
}

/* ---- logs ---- */

void keeper_send_log_files(struct guardian *g, const struct deployment *deployment)
{
    struct ipc_message message = {.kind = IPC_LOG_FILES};

    if (deployment->access_fd >= 0) {
        message.text[message.text_len++] = IPC_LOG_ACCESS;
        message.fds[message.fd_count++] = deployment->access_fd;
    }
    if (deployment->error_fd >= 0) {
        message.text[message.text_len++] = IPC_LOG_ERROR;
        message.fds[message.fd_count++] = deployment->error_fd;
    }
    /* When it cannot be told it is dead, and gets them when it is started again. */
    int r = g->logs_process.socket >= 0 ? ipc_send(g->logs_process.socket, &message) : 0;
    if (r < 0)
        log_event(&g->log, LOG_WARNING, "the logs process does not listen", "reason=\"%s\"",
                  error_text(r));
}

static void on_logs_word(struct loop_watch *watch, unsigned events)
{
    struct guardian *g = container_of(watch, struct guardian, logs_process.watch);
    struct ipc_message message;

    (void)events;
    int r = ipc_receive(watch->fd, &message);
    if (r > 0 && message.kind == IPC_LOG_TROUBLE)
        log_event(&g->log, LOG_ERROR, "lines of a log are lost", "log=%s reason=\"%s\"",
                  message.text[0] == IPC_LOG_ACCESS ? "access" : "error",
                  error_text(-(int)message.value));
    if (r > 0)
        ipc_finish(&message);
    else if (r != -EAGAIN)
        loop_remove(g->loop, watch);
}

int keeper_start_logs(struct guardian *g)
{
    const struct deployment *deployment = g->live ? g->live : g->next;

    int r = start(g, &g->logs_process, "gardien logs", logs_process_run);
    if (r < 0)
        return r;
    g->logs_process.watch =
        (struct loop_watch){.fd = g->logs_process.socket, .on_event = on_logs_word};
    r = loop_add(g->loop, &g->logs_process.watch, LOOP_LEVEL);
    if (deployment)
        keeper_send_log_files(g, deployment);
    reconnect_workers(g, IPC_LOG_SOCKET);
    return r;
}

/* ---- replacement ---- */

static nsec_t backoff(struct child *child, nsec_t now)
{
    child->failures = now - child->started > SHORT_LIFE ? 0 : child->failures + 1;
    nsec_t wait = (nsec_t)(child->failures ? child->failures - 1 : 0) * 100 * NSEC_PER_MSEC;
    return wait < 900 * NSEC_PER_MSEC ? wait : 900 * NSEC_PER_MSEC;
}

static void restart(struct guardian *g, struct child *helper)
{
    bool keys = helper == &g->keys_process;
    int r = keys ? keeper_start_keys(g) : keeper_start_logs(g);

    log_event(&g->log, r < 0 ? LOG_ERROR : LOG_NOTICE,
              r < 0 ? "a helper process could not be started again"
                    : "a helper process was replaced",
              "process=%s pid=%d", keys ? "keys" : "logs", (int)helper->pid);
}

static void on_keys_restart(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, keys_restart);

    (void)now;
    restart(g, &g->keys_process);
}

static void on_logs_restart(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, logs_restart);

    (void)now;
    restart(g, &g->logs_process);
}

void keeper_on_exit(struct guardian *g, struct child *helper)
{
    bool keys = helper == &g->keys_process;
    nsec_t now = nsec_monotonic();

    helper->pid = 0;
    loop_remove(g->loop, &helper->watch);
    if (helper->socket >= 0)
        close(helper->socket);
    helper->socket = -1;
    if (keys)
        key_ring_keys_gone(g);
    if (g->phase == PHASE_STOPPING)
        return;
    nsec_t wait = backoff(helper, now);
    if (wait == 0) {
        restart(g, helper);
        return;
    }
    struct loop_timer *timer = keys ? &g->keys_restart : &g->logs_restart;
    timer->on_timeout = keys ? on_keys_restart : on_logs_restart;
    loop_timer_set(g->loop, timer, now + wait);
}

static void wait_for_end(struct child *helper, nsec_t until)
{
    while (helper->pid && waitpid(helper->pid, NULL, WNOHANG) == 0) {
        if (nsec_monotonic() > until) {
            kill(helper->pid, SIGKILL);
            waitpid(helper->pid, NULL, 0);
            break;
        }
        poll(NULL, 0, 2);
    }
    helper->pid = 0;
}

void keeper_stop(struct guardian *g)
{
    struct child *helpers[] = {&g->keys_process, &g->logs_process};
    nsec_t until = nsec_monotonic() + NSEC_PER_SEC;

    for (size_t i = 0; i < ARRAY_SIZE(helpers); i++) {
        if (helpers[i]->socket >= 0)
            close(helpers[i]->socket);
        helpers[i]->socket = -1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
        wait_for_end(helpers[i], until);
}
