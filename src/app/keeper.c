/* The keys and logs processes as the guardian sees them, and the ticket keys that it makes itself.
 * What they do inside is keys_process.c's and logs_process.c's. */
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
    return socket_receive_timeout(pair[0], ANSWER_TIMEOUT);
}

static int connect_to(const struct child *helper)
{
    int pair[2];

    int r = fdpass_pair(pair);
    if (r < 0)
        return r;
    /* With no helper the other end is closed, and whoever asks learns at once. */
    if (helper->socket >= 0)
        r = ipc_pass(helper->socket, IPC_CLIENT, 0, pair[1]);
    close(pair[1]);
    if (r == -EPIPE || r == -ECONNRESET) /* it just died: as if there were none */
        r = 0;
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    return pair[0];
}

int keeper_connect_keys(struct guardian *g)
{
    int fd = connect_to(&g->keys_process);
    int r = fd < 0 ? fd : socket_receive_timeout(fd, SIGNATURE_TIMEOUT);

    if (fd >= 0 && r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

int keeper_connect_logs(struct guardian *g)
{
    int fd = connect_to(&g->logs_process), room = LOG_ROOM;

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
        int fd = kind == IPC_KEYS_SOCKET ? keeper_connect_keys(g) : keeper_connect_logs(g);
        int r = fd < 0 ? fd : ipc_pass(worker->child.socket, kind, 0, fd);
        if (fd >= 0)
            close(fd);
        if (r < 0)
            supervise_kill(worker);
    }
}

/* ---- keys ---- */

static int memory_of(const char *text)
{
    int fd = memfd_create("chain", MFD_CLOEXEC);
    size_t len = strlen(text);

    if (fd >= 0 && pwrite(fd, text, len, 0) == (ssize_t)len)
        return fd;
    int error = fd < 0 ? errno : EIO;
    if (fd >= 0)
        close(fd);
    return -error;
}

/* Gives a key file to the keys process and waits for its word. */
static int give_key(struct guardian *g, const struct key *key)
{
    struct ipc_message message = {.kind = IPC_KEY_LOAD, .value = key->id, .fd_count = 2};
    int chain = memory_of(key->chain_pem);

    if (chain < 0)
        return chain;
    message.fds[0] = key->fd;
    message.fds[1] = chain;
    int r = g->keys_process.socket >= 0 ? ipc_send(g->keys_process.socket, &message) : -ENOTCONN;
    close(chain);
    if (r >= 0)
        r = ipc_receive(g->keys_process.socket, &message);
    if (r <= 0)
        return r == 0 ? ERR_CLOSED : r == -EAGAIN ? ERR_TIMEOUT : r;
    ipc_finish(&message);
    if (message.kind != IPC_DONE)
        return ERR_PROTOCOL;
    return -(int)message.value;
}

int keeper_start_keys(struct guardian *g)
{
    int r = start(g, &g->keys_process, "gardien keys", keys_process_run);

    if (r < 0)
        return r;
    list_for_each (key, spare, &g->keys, struct key, link) {
        r = give_key(g, key);
        if (r < 0)
            log_event(&g->log, LOG_ERROR, "a private key could not be loaded again",
                      "id=%llu reason=\"%s\"", (unsigned long long)key->id, error_text(r));
    }
    reconnect_workers(g, IPC_KEYS_SOCKET);
    return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct key *find_key(struct guardian *g, const struct stat *st, const char *chain_pem)
{
    list_for_each (key, spare, &g->keys, struct key, link)
        if (same_file(&key->identity, st) && strcmp(key->chain_pem, chain_pem) == 0)
            return key;
    return NULL;
}

static void forget_key(struct key *key)
{
    list_remove(&key->link);
    close(key->fd);
    free(key->chain_pem);
    free(key);
}

static void complain_key(struct diags *diags, const char *path, int error)
{
    const char *why = error == ERR_SYNTAX   ? "it holds no unencrypted private key in PEM form"
                      : error == ERR_LIMIT  ? "the file is too long for one"
                      : error == ERR_TLS    ? "it is of a kind that we do not serve, or does not "
                                              "belong to its certificate"
                      : error == ERR_CLOSED ? "the keys process ended over it"
                                            : error_text(error);
    diags_add(diags, "the private key of %s cannot be used: %s", path, why);
}

int keeper_load_key(struct guardian *g, int fd, const char *path, const char *chain_pem,
                    struct diags *diags, struct key **ret_key)
{
    struct stat st;

    int r = fstat(fd, &st) < 0 ? -errno : 0;
    struct key *key = r < 0 ? NULL : find_key(g, &st, chain_pem);
    if (key) {
        close(fd);
    } else if (r >= 0) {
        key = mem_new(struct key);
        key->id = ++g->next_key_id;
        key->fd = fd;
        key->identity = st;
        key->chain_pem = mem_string(span_str(chain_pem));
        list_append(&g->keys, &key->link);
        r = give_key(g, key);
        if (r < 0)
            forget_key(key);
    } else {
        close(fd);
    }
    if (r < 0) {
        complain_key(diags, path, r);
        return r;
    }
    key->references++;
    *ret_key = key;
    return 0;
}

void keeper_unref_key(struct guardian *g, struct key *key)
{
    if (--key->references == 0)
        key->unused_since = loop_now(g->loop);
}

void keeper_drop_unused(struct guardian *g, nsec_t now)
{
    list_for_each (key, spare, &g->keys, struct key, link) {
        if (key->references || now - key->unused_since < KEY_GRACE)
            continue;
        int r = ipc_say(g->keys_process.socket, IPC_KEY_DROP, key->id, SPAN(""));
        if (r >= 0)
            forget_key(key);
    }
}

void keeper_free_keys(struct guardian *g)
{
    list_for_each (key, spare, &g->keys, struct key, link)
        forget_key(key);
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
    g->logs_process.watch = (struct loop_watch){g->logs_process.socket, on_logs_word};
    r = loop_add(g->loop, &g->logs_process.watch, LOOP_LEVEL);
    if (deployment)
        keeper_send_log_files(g, deployment);
    reconnect_workers(g, IPC_LOG_SOCKET);
    return r;
}

/* ---- replacement ---- */

static nsec_t backoff(struct child *child, nsec_t now)
{
    child->failures = now - child->started > 5 * NSEC_PER_SEC ? 0 : child->failures + 1;
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
    if (!keys)
        loop_remove(g->loop, &helper->watch);
    if (helper->socket >= 0)
        close(helper->socket);
    helper->socket = -1;
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

/* ---- ticket keys ---- */

static void make_key(unsigned char key[TICKET_KEY_SIZE])
{
    if (getrandom(key, TICKET_KEY_SIZE, 0) != TICKET_KEY_SIZE)
        abort(); /* a kernel without randomness serves no TLS */
}

void keeper_make_ticket_keys(struct guardian *g)
{
    make_key(g->ticket_keys[0]);
    make_key(g->ticket_keys[1]);
    g->ticket_key_count = 2;
}

/* The next key is known everywhere before the first ticket is sealed with it, and the previous one
 * opens tickets for as long again. */
static void on_rotation(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, ticket_rotation);

    (void)now;
    memcpy(g->ticket_keys[2], g->ticket_keys[0], TICKET_KEY_SIZE);
    memcpy(g->ticket_keys[0], g->ticket_keys[1], TICKET_KEY_SIZE);
    make_key(g->ticket_keys[1]);
    g->ticket_key_count = 3;
    supervise_tell(g, IPC_TICKET_KEYS, 0,
                   span_of((const char *)g->ticket_keys, sizeof g->ticket_keys));
    keeper_arm_rotation(g);
}

void keeper_arm_rotation(struct guardian *g)
{
    g->ticket_rotation.on_timeout = on_rotation;
    loop_timer_set(g->loop, &g->ticket_rotation,
                   nsec_monotonic() + g->live->prepared.settings->tls.ticket_rotation);
}
