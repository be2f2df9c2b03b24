/* The guardian's life: signals, the first settings, readiness, the end. Settings taking effect is
 * reload.c's, the processes are supervise.c's and keeper.c's. */
#include "app/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/internal.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/process.h"
#include "os/state.h"
#include "protect/protect.h"

enum { DESCRIPTORS = 1 << 19 };

#define HOUSEKEEPING (10 * NSEC_PER_SEC)

/* ---- log ---- */

static void to_error_log(void *context, struct span line)
{
    const struct guardian *g = context;
    int fd = g->live && g->live->error_fd >= 0 ? g->live->error_fd : STDERR_FILENO;

    /* There is nowhere to say that the log cannot be written. */
    ssize_t n = write(fd, line.ptr, line.len);
    (void)n;
}

/* ---- settling: what follows from the first settings ---- */

static int lock_state(struct guardian *g, const char *state, struct diags *diags)
{
    char pid[32] = "";

    if (g->lock_fd >= 0) /* the predecessor's, which holds it until both are gone */
        return 0;
    g->lock_fd = openat(g->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (g->lock_fd < 0) {
        diags_add(diags, "the file %s/lock cannot be opened: %s", state, error_text(-errno));
        return -EACCES;
    }
    if (flock(g->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    ssize_t n = pread(g->lock_fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    diag_hint(diags_add(diags, "another gardien (pid %s) runs with the state folder %s",
                        pid[0] ? pid : "unknown", state),
              "stop it with `gardien stop --state %s`, or give this one a folder of its own with "
              "--state DIR",
              state);
    return -EBUSY;
}

static void write_pid(struct guardian *g)
{
    char pid[16];
    int len = snprintf(pid, sizeof pid, "%d", (int)getpid());

    /* For people only: the lock itself is what counts. */
    if (ftruncate(g->lock_fd, 0) == 0) {
        ssize_t n = pwrite(g->lock_fd, pid, (size_t)len, 0);
        (void)n;
    }
}

static void choose_user(struct guardian *g, const struct settings *settings)
{
    if (geteuid() != 0)
        return;
    const char *user = settings->user                   ? settings->user
                       : process_user_exists("gardien") ? "gardien"
                                                        : "nobody";
    g->user_room = mem_string(span_str(user));
    g->user = g->user_room;
}

/* Counters that all workers share. Twice as many rows as workers, for those that still drain. */
static int make_counters(struct guardian *g, const struct settings *settings)
{
    uint64_t secret[2];
    unsigned workers = settings_workers(settings), cpus = process_cpus();

    g->rows = 2 * (workers > cpus ? workers : cpus) + 2;
    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
        return -errno;
    void *memory =
        mmap(NULL, peers_size(g->rows), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    g->peers = peers_init(memory, g->rows, secret);
    return 0;
}

int guardian_settle(struct guardian *g, const struct prepared *prepared, struct diags *diags)
{
    g->state_fd = state_open(prepared->state, diags);
    int r = g->state_fd < 0 ? g->state_fd : lock_state(g, prepared->state, diags);
    if (r < 0)
        return r;
    choose_user(g, prepared->settings);
    process_raise_descriptors(DESCRIPTORS);
    if (g->ticket_key_count == 0)
        key_ring_make_tickets(g);
    r = make_counters(g, prepared->settings);
    if (r >= 0)
        r = keeper_start_keys(g);
    if (r < 0)
        diags_add(diags, "the helper processes cannot be started: %s", error_text(r));
    return r;
}

/* ---- readiness ---- */

/* https://localhost:8443 */
static void ready_url(const struct guardian *g, char *out, size_t room)
{
    const struct settings_site *site = settings_sites(g->live->prepared.settings);
    const struct endpoint *best = NULL;

    for (size_t i = 0; i < g->live->endpoints.count; i++)
        if (!best || (g->live->endpoints.items[i].secure && !best->secure))
            best = &g->live->endpoints.items[i];
    const char *name = site->names.items[0];
    unsigned port = best ? socket_address_port(&best->address) : 0;
    bool secure = best && best->secure;
    bool usual = port == (secure ? 443 : 80);
    int len = snprintf(out, room, strchr(name, ':') ? "%s://[%s]" : "%s://%s",
                       secure ? "https" : "http", name);
    if (!usual && len > 0 && (size_t)len < room)
        snprintf(out + len, room - (size_t)len, ":%u", port);
}

void guardian_on_ready(struct guardian *g)
{
    struct diags diags = {0};
    char url[300];

    write_pid(g);
    if (control_listen(g, &diags) < 0)
        log_event(&g->log, LOG_ERROR, "no control socket: reload and stop work by signals only",
                  "reason=\"%s\"", diags.count ? diags.items[0].sentence : "unknown");
    diags_finish(&diags);
    ready_url(g, url, sizeof url);
    if (g->options->on_step)
        g->options->on_step(g->options->context, "ready", url);
    g->phase = PHASE_SERVING;
    watchdog_start(g);
    folders_watch(g);
    upgrade_ready(g);
}

/* ---- the end ---- */

void guardian_fail(struct guardian *g, int exit_code, const struct diags *diags)
{
    g->options->on_diags(g->options->context, diags);
    g->exit_code = exit_code;
    g->phase = PHASE_STOPPING;
    loop_stop(g->loop);
}

void guardian_on_worker_gone(struct guardian *g)
{
    if (g->phase >= PHASE_STOPPING && list_empty(&g->workers))
        loop_stop(g->loop);
}

static void on_stop_deadline(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, stop_deadline);

    (void)now;
    list_for_each (worker, spare, &g->workers, struct worker_process, link)
        supervise_kill(worker);
}

void guardian_stop(struct guardian *g, nsec_t deadline)
{
    bool serving = g->phase == PHASE_SERVING || g->phase == PHASE_HANDED_OVER;

    if (g->phase == PHASE_STOPPING || !serving) { /* told twice, or nothing serves yet */
        g->phase = PHASE_STOPPING;
        loop_stop(g->loop);
        return;
    }
    g->phase = PHASE_STOPPING;
    process_notify("STOPPING=1");
    log_event(&g->log, LOG_NOTICE, "stopping", "deadline=%llds",
              (long long)(deadline / NSEC_PER_SEC));
    doors_release(g);
    endpoints_finish(&g->live->endpoints);
    if (g->next)
        endpoints_finish(&g->next->endpoints);
    g->stop_deadline.on_timeout = on_stop_deadline;
    loop_timer_set(g->loop, &g->stop_deadline, nsec_monotonic() + deadline + NSEC_PER_SEC);
    list_for_each (worker, spare, &g->workers, struct worker_process, link)
        supervise_drain(worker, deadline);
    guardian_on_worker_gone(g);
}

/* ---- signals ---- */

static void reap(struct guardian *g)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == g->prepare.pid)
            reload_on_prepared(g, status);
        else if (pid == g->keys_process.pid)
            keeper_on_exit(g, &g->keys_process);
        else if (pid == g->logs_process.pid)
            keeper_on_exit(g, &g->logs_process);
        else if (!stapler_on_exit(g, pid, status) && !doors_on_exit(g, pid) &&
                 !upgrade_on_exit(g, pid))
            supervise_on_exit(g, pid, status);
    }
}

static nsec_t stop_deadline(const struct guardian *g)
{
    return g->live ? g->live->prepared.settings->stop_deadline : 0;
}

static void on_signal(struct loop_watch *watch, unsigned events)
{
    struct guardian *g = container_of(watch, struct guardian, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof info) != sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGCHLD:
        reap(g);
        break;
    case SIGHUP:
        reload_begin(g);
        break;
    case SIGUSR1:
        reload_reopen_logs(g);
        break;
    case SIGUSR2:
        if (upgrade_begin(g, NULL) < 0)
            log_event(&g->log, LOG_ERROR, "the upgrade could not begin", "%s", "");
        break;
    default:
        guardian_stop(g, stop_deadline(g));
    }
}

static int watch_signals(struct guardian *g)
{
    static const int numbers[] = {SIGCHLD, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    g->signals = (struct loop_watch){.fd = fd, .on_event = on_signal};
    return loop_add(g->loop, &g->signals, LOOP_LEVEL);
}

static void on_housekeeping(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, housekeeping);

    key_ring_drop_unused(g, now);
    supervise_cut_late(g, now);
    if (g->phase == PHASE_SERVING)
        reload_renew(g, now);
    loop_timer_set(g->loop, &g->housekeeping, now + HOUSEKEEPING);
}

/* ---- run ---- */

static int begin(struct guardian *g)
{
    int r = loop_create(&g->loop);

    if (r >= 0)
        r = watch_signals(g);
    if (r >= 0)
        r = upgrade_inherit(g);
    if (r < 0)
        return r;
    if (g->predecessor < 0)
        endpoints_adopt_activation(&g->inherited, process_activation());
    g->housekeeping.on_timeout = on_housekeeping;
    loop_timer_set(g->loop, &g->housekeeping, nsec_monotonic() + HOUSEKEEPING);
    reload_begin(g);
    return g->phase == PHASE_STOPPING ? 0 : loop_run(g->loop);
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void end_prepare(struct guardian *g)
{
    if (!g->prepare.pid)
        return;
    kill(g->prepare.pid, SIGKILL);
    waitpid(g->prepare.pid, NULL, 0);
    close(g->prepare.result_fd);
}

static void finish(struct guardian *g)
{
    end_prepare(g);
    if (g->loop) {
        doors_release(g);
        supervise_free(g);
    }
    doors_await(g);
    keeper_stop(g);
    deployment_destroy(g, g->next);
    deployment_destroy(g, g->live);
    endpoints_finish(&g->inherited);
    key_ring_free(g);
    close_if_open(g->lock_fd); /* first: who waits for our end may start the next one at once */
    control_stop_done(g);
    control_finish(g, true);
    close_if_open(g->state_fd);
    close_if_open(g->signals.fd);
    if (g->peers)
        munmap(g->peers, peers_size(g->rows));
    loop_destroy(g->loop);
    free(g->user_room);
    explicit_bzero(g->ticket_keys, sizeof g->ticket_keys);
}

int guardian_run(const struct guardian_options *options)
{
    struct guardian g = {.options = options,
                         .signals.fd = -1,
                         .state_fd = -1,
                         .lock_fd = -1,
                         .keys_process.socket = -1,
                         .logs_process.socket = -1,
                         .doors = {{.child.socket = -1}, {.child.socket = -1}},
                         .control.fd = -1,
                         .upgrade.watch.fd = -1,
                         .predecessor = -1};

    g.log = (struct log){LOG_NOTICE, "guardian", to_error_log, &g};
    list_init(&g.keys);
    list_init(&g.workers);
    list_init(&g.clients);
    int r = begin(&g);
    if (r < 0) {
        log_event(&g.log, LOG_ERROR, "the guardian cannot go on", "reason=\"%s\"", error_text(r));
        g.exit_code = APP_FAILED;
    }
    finish(&g);
    return g.exit_code;
}
