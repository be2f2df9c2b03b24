/* Handing over to another program: it gets our listening sockets, ticket keys and lock, and we
 * drain once it serves. If it does not, nothing has changed.
 *
 * upgrade_begin → [new program: upgrade_inherit … serves … upgrade_ready] → on_ready_word →
 * on_serving; its end or the deadline before that → on_failed */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/key_ring.h"
#include "app/upgrade.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/fdpass.h"
#include "os/process.h"
#include "os/self.h"

#define UPGRADE_TIMEOUT (30 * NSEC_PER_SEC)

static const char variable[] = "GARDIEN_UPGRADE"; /* "MEMFD,SOCKET" */

/* ---- what is handed over ---- */

static char *to_hex(const unsigned char *bytes, size_t len)
{
    char *hex = mem_alloc(2 * len + 1);

    for (size_t i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    hex[2 * len] = '\0';
    return hex;
}

static bool from_hex(const char *hex, unsigned char *bytes, size_t len)
{
    if (!hex || strlen(hex) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned value;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1)
            return false;
        bytes[i] = (unsigned char)value;
    }
    return true;
}

/* A memfd that describes what is inherited. It holds ticket keys and never touches a disk. */
static int describe(const struct upgrade_bundle *bundle)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < bundle->ticket_key_count; i++) {
        char *hex = to_hex(bundle->ticket_keys[i], TICKET_KEY_SIZE);
        json_array_append_new(keys, json_string(hex));
        explicit_bzero(hex, strlen(hex));
        free(hex);
    }
    scoped(mem_release) char *secret = to_hex(bundle->quic_secret, sizeof bundle->quic_secret);
    scoped(mem_release) char *generations =
        to_hex(bundle->udp_generations, sizeof bundle->udp_generations);
    json_t *state = json_pack("{s:i, s:o, s:s, s:s, s:o}", "lock", bundle->lock_fd, "ticket_keys",
                              keys, "quic_secret", secret, "udp_generations", generations,
                              "endpoints", endpoints_to_json(&bundle->endpoints));
    explicit_bzero(secret, strlen(secret));
    int fd = memfd_create("upgrade", 0);
    int r = fd < 0 ? -errno : 0;
    if (r >= 0 && (!state || json_dumpfd(state, fd, JSON_COMPACT) < 0))
        r = -EIO;
    json_decref(state);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

static void keep_open(int fd)
{
    fcntl(fd, F_SETFD, 0);
}

/* In the child: becomes the new program. */
static void become(const struct upgrade *upgrade, const struct upgrade_bundle *bundle,
                   const char *program, int state, int socket)
{
    const struct endpoints *endpoints = &bundle->endpoints;
    char value[32];
    sigset_t none;

    for (size_t i = 0; i < endpoints->count; i++)
        for (size_t s = 0; s < endpoints->items[i].socket_count; s++)
            keep_open(endpoints->items[i].sockets[s]->fd);
    keep_open(bundle->lock_fd);
    keep_open(state);
    keep_open(socket);
    snprintf(value, sizeof value, "%d,%d", state, socket);
    setenv(variable, value, 1);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (getenv("WATCHDOG_PID")) { /* the manager watches the new program then */
        snprintf(value, sizeof value, "%d", (int)getpid());
        setenv("WATCHDOG_PID", value, 1);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(program, upgrade->argv);
    fprintf(stderr, "gardien: %s: %s\n", program, strerror(errno));
    _exit(127);
}

/* ---- the old program ---- */

static void forget(struct upgrade *upgrade)
{
    loop_timer_cancel(upgrade->loop, &upgrade->deadline);
    loop_remove(upgrade->loop, &upgrade->watch);
    close(upgrade->watch.fd);
    upgrade->watch.fd = -1;
    upgrade->pid = 0;
}

/* The other program ends; it is reaped like any child. */
static void abandon(struct upgrade *upgrade, const char *why)
{
    kill(upgrade->pid, SIGKILL);
    forget(upgrade);
    upgrade->events.on_failed(upgrade->events.context, why);
}

static void give_up(struct upgrade *upgrade, const char *why)
{
    log_event(upgrade->log, LOG_ERROR, "the upgrade failed, going on as before", "reason=\"%s\"",
              why);
    abandon(upgrade, why);
}

static void on_ready_word(struct loop_watch *watch, unsigned events)
{
    struct upgrade *upgrade = container_of(watch, struct upgrade, watch);
    char word;

    (void)events;
    if (read(watch->fd, &word, 1) == 1 &&
        upgrade->events.on_serving(upgrade->events.context, upgrade->pid))
        forget(upgrade);
    else
        loop_remove(upgrade->loop, watch); /* its end follows */
}

static void on_deadline(struct loop_timer *timer, nsec_t now)
{
    (void)now;
    give_up(container_of(timer, struct upgrade, deadline),
            "the new program was not ready within 30 seconds");
}

bool upgrade_on_exit(struct upgrade *upgrade, pid_t pid)
{
    if (upgrade->pid != pid)
        return false;
    give_up(upgrade, "the new program ended before it was ready");
    return true;
}

static int start_with(struct upgrade *upgrade, const struct upgrade_bundle *bundle,
                      const char *program)
{
    int pair[2];
    int state = describe(bundle);

    if (state < 0)
        return state;
    int r = fdpass_pair(pair);
    if (r >= 0) {
        pid_t pid = fork();
        if (pid == 0)
            become(upgrade, bundle, program, state, pair[1]);
        r = pid < 0 ? -errno : 0;
        close(pair[1]);
        upgrade->pid = pid;
        upgrade->watch = (struct loop_watch){.fd = pair[0], .on_event = on_ready_word};
        if (r < 0)
            close(pair[0]);
    }
    close(state);
    return r;
}

static int start(struct upgrade *upgrade, const char *program)
{
    struct upgrade_bundle bundle;

    upgrade->events.bundle(upgrade->events.context, &bundle);
    int r = start_with(upgrade, &bundle, program);
    explicit_bzero(&bundle, sizeof bundle);
    return r;
}

int upgrade_begin(struct upgrade *upgrade, const char *program, const char **ret_why)
{
    scoped(mem_release) char *own = self_program();
    int r = 0;

    *ret_why = upgrade->pid ? "another upgrade is under way"
                            : upgrade->events.refusal(upgrade->events.context);
    if (*ret_why)
        return -EBUSY;
    if (!program)
        program = own;
    if (!program || access(program, X_OK) < 0)
        r = program ? -errno : -ENOENT;
    if (r >= 0)
        r = start(upgrade, program);
    if (r < 0) {
        upgrade->pid = 0;
        *ret_why = error_text(r);
        return r;
    }
    upgrade->deadline.on_timeout = on_deadline;
    loop_timer_set(upgrade->loop, &upgrade->deadline, nsec_monotonic() + UPGRADE_TIMEOUT);
    return loop_add(upgrade->loop, &upgrade->watch, LOOP_LEVEL);
}

void upgrade_cancel(struct upgrade *upgrade)
{
    static const char why[] = "gardien was told to stop";

    if (!upgrade->pid)
        return;
    log_event(upgrade->log, LOG_NOTICE, "the upgrade is given up", "reason=\"%s\"", why);
    abandon(upgrade, why);
}

/* ---- process 1 after it has handed over ---- */

/* Who serves now: the program that took over may have been followed by another one. */
static pid_t serving_pid(pid_t successor, const char *state)
{
    scoped(mem_release) char *path = mem_format("%s/lock", state);
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC), pid = 0;

    if (fd < 0)
        return successor;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && sscanf(text, "%d", &pid) == 1 && pid > 1 && kill(pid, 0) == 0 ? pid : successor;
}

int upgrade_remain(pid_t successor, const char *state)
{
    sigset_t all;
    int number, status, code = 0;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        pid_t serving = serving_pid(successor, state), pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == serving || pid == successor)
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (pid < 0 && errno == ECHILD)
            return code;
        if (sigwait(&all, &number) == 0 && number != SIGCHLD)
            kill(serving_pid(successor, state), number);
    }
}

/* ---- the new program ---- */

static int take_state(const json_t *state, struct upgrade_bundle *bundle)
{
    const json_t *keys = json_object_get(state, "ticket_keys");
    size_t count = json_array_size(keys);

    for (size_t i = 0; i < count && i < TICKET_KEYS_MAX; i++)
        if (from_hex(json_string_value(json_array_get(keys, i)), bundle->ticket_keys[i],
                     TICKET_KEY_SIZE))
            bundle->ticket_key_count = i + 1;
    /* A program that knows no HTTP/3 yet has neither. */
    if (!from_hex(json_string_value(json_object_get(state, "quic_secret")), bundle->quic_secret,
                  sizeof bundle->quic_secret))
        key_ring_make_quic_secret(bundle->quic_secret);
    (void)from_hex(json_string_value(json_object_get(state, "udp_generations")),
                   bundle->udp_generations, sizeof bundle->udp_generations);
    bundle->lock_fd = (int)json_integer_value(json_object_get(state, "lock"));
    if (bundle->lock_fd < 3 || fcntl(bundle->lock_fd, F_SETFD, FD_CLOEXEC) < 0)
        return ERR_PROTOCOL;
    return endpoints_from_json(json_object_get(state, "endpoints"), &bundle->endpoints);
}

int upgrade_inherit(struct upgrade *upgrade, struct upgrade_bundle *ret_bundle)
{
    const char *value = getenv(variable);
    struct upgrade_bundle bundle = {.lock_fd = -1};
    int state_fd, socket;

    if (!value)
        return 0;
    bool fine = sscanf(value, "%d,%d", &state_fd, &socket) == 2 && state_fd > 2 && socket > 2;
    unsetenv(variable);
    if (!fine || fcntl(socket, F_SETFD, FD_CLOEXEC) < 0 || lseek(state_fd, 0, SEEK_SET) < 0)
        return ERR_PROTOCOL;
    json_t *state = json_loadfd(state_fd, JSON_REJECT_DUPLICATES, NULL);
    close(state_fd);
    upgrade->predecessor = socket;
    int r = state ? take_state(state, &bundle) : ERR_PROTOCOL;
    json_decref(state);
    if (r >= 0)
        *ret_bundle = bundle;
    explicit_bzero(bundle.ticket_keys, sizeof bundle.ticket_keys);
    explicit_bzero(bundle.quic_secret, sizeof bundle.quic_secret);
    return r < 0 ? r : 1;
}

void upgrade_ready(struct upgrade *upgrade)
{
    if (upgrade->predecessor < 0)
        return;
    /* When it is gone already there is nobody left to drain. */
    ssize_t n = write(upgrade->predecessor, "r", 1);
    (void)n;
    close(upgrade->predecessor);
    upgrade->predecessor = -1;
}
