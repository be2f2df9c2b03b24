/* The guardian's life: signals, the first settings, readiness, the end; and who hears of what. */
#include "app/guardian.h"
#include "app/control_bans.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/guardian_state.h"
#include "app/reload.h"
#include "app/stapler.h"
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
    struct guardian *g = context;

    /* Never waits: what finds no room is dropped and counted. */
    output_line(g->live && g->live->error.fd >= 0 ? &g->live->error : &g->standard_error, line);
}

/* ---- settling: what follows from the first settings ---- */

static int lock_state(struct guardian *g, const char *state, struct diags *diags)
{
    char pid[32] = "";

    if (g->lock_fd >= 0) /* the predecessor's, which holds it until both are gone */
        return 0;
    g->lock_fd = openat(g->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (g->lock_fd < 0) {
        int error = -errno;
        (void)state_hint_read_only(
            diags_add(diags, "the file %s/lock cannot be opened: %s", state, error_text(error)),
            state, error);
        return -EACCES;
    }
    if (flock(g->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK) {
        int error = errno;
        diag_hint(
            diags_add(diags, "the file %s/lock cannot be locked: %s", state, error_text(-error)),
            "put the state folder on a file system with locks, with --state DIR; a filter of "
            "system calls may also refuse flock()");
        return -error;
    }
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
    const char *user = settings_account(settings);

    if (!user)
        return;
    g->user = mem_string(span_str(user));
    g->host.user = g->user;
}

/* Counts and rates that all workers share. Twice as many rows as workers, for those that still
 * drain. */
static int make_counters(struct guardian *g, const struct settings *settings)
{
    unsigned workers = settings_workers(settings), cpus = process_cpus();

    g->workers.rows = 2 * (workers > cpus ? workers : cpus) + 2;
    int r = protect_shared_create(g->workers.rows, (size_t)settings->protect.rate_memory,
                                  &g->workers.shared);
    g->host.shared = g->workers.shared;
    return r;
}

int guardian_settle(struct guardian *g, const struct prepared *prepared, struct diags *diags)
{
    g->state_fd = state_open(prepared->state, diags);
    int r = g->state_fd < 0 ? g->state_fd : lock_state(g, prepared->state, diags);
    if (r < 0)
        return r;
    g->state = mem_string(span_str(prepared->state));
    g->host.state = g->state;
    choose_user(g, prepared->settings);
    process_raise_descriptors(DESCRIPTORS);
    if (g->ticket_key_count == 0) {
        key_ring_make_tickets(g);
        key_ring_make_quic_secret(g->quic_secret);
    }
    r = make_counters(g, prepared->settings);
    if (r >= 0)
        r = processes_start(&g->processes, PROCESS_KEYS);
    if (r < 0)
        (void)process_hint_descriptors(
            diags_add(diags, "the helper processes cannot be started: %s", error_text(r)), r);
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
    watchdog_start(&g->watchdog);
    folders_watch_start(&g->folders);
    upgrade_ready(&g->upgrade);
}

/* ---- the end ---- */

static void enter_stopping(struct guardian *g)
{
    g->phase = PHASE_STOPPING;
    g->workers.ending = true;
}

void guardian_fail(struct guardian *g, int exit_code, const struct diags *diags)
{
    g->options->on_diags(g->options->context, diags);
    g->exit_code = exit_code;
    enter_stopping(g);
    loop_stop(g->loop);
}

void guardian_on_worker_gone(void *context)
{
    struct guardian *g = context;

    if (g->phase >= PHASE_STOPPING && list_empty(&g->workers.list))
        loop_stop(g->loop);
}

static void on_stop_deadline(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, stop_deadline);

    (void)now;
    list_for_each (worker, spare, &g->workers.list, struct worker_process, link)
        supervise_kill(worker);
}

void guardian_stop(struct guardian *g, nsec_t deadline)
{
    bool serving = g->phase == PHASE_SERVING || g->phase == PHASE_HANDED_OVER;

    if (g->phase == PHASE_STOPPING || !serving) { /* told twice, or nothing serves yet */
        enter_stopping(g);
        loop_stop(g->loop);
        return;
    }
    upgrade_cancel(&g->upgrade);
    enter_stopping(g);
    control_bans_stop(g);
    process_notify("STOPPING=1");
    log_event(&g->log, LOG_NOTICE, "stopping", "deadline=%llds",
              (long long)(deadline / NSEC_PER_SEC));
    processes_release(&g->processes);
    endpoints_finish(&g->live->endpoints);
    if (g->next)
        endpoints_finish(&g->next->endpoints);
    g->stop_deadline.on_timeout = on_stop_deadline;
    loop_timer_set(g->loop, &g->stop_deadline, nsec_monotonic() + deadline + NSEC_PER_SEC);
    supervise_drain_all(&g->workers, deadline);
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
        else if (!stapler_on_exit(g, pid, status) && !acme_on_exit(g, pid, status) &&
                 !processes_on_exit(&g->processes, pid, status) &&
                 !upgrade_on_exit(&g->upgrade, pid))
            supervise_on_exit(&g->workers, pid, status);
    }
}

static nsec_t stop_deadline(const struct guardian *g)
{
    return g->live ? g->live->prepared.settings->stop_deadline : 0;
}

static void begin_upgrade(struct guardian *g)
{
    const char *why;

    if (upgrade_begin(&g->upgrade, NULL, &why) < 0)
        log_event(&g->log, LOG_ERROR, "the upgrade could not begin", "reason=\"%s\"", why);
}

static void obey_signal(struct guardian *g, int number)
{
    if (number == SIGHUP && g->upgrade.pid)
        log_event(&g->log, LOG_ERROR, "no reload while another program takes over", "%s", "");
    else if (number == SIGHUP && g->phase < PHASE_STOPPING)
        reload_begin(g);
    else if (number == SIGUSR1)
        reload_reopen_logs(g);
    else if (number == SIGUSR2)
        begin_upgrade(g);
    else if (number == SIGTERM || number == SIGINT)
        guardian_stop(g, stop_deadline(g));
}

static void on_signal(struct loop_watch *watch, unsigned events)
{
    struct guardian *g = container_of(watch, struct guardian, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(g);
    else if (g->phase == PHASE_HANDED_OVER && g->successor && getpid() == 1)
        kill(g->successor, (int)info.ssi_signo); /* who signals process 1 means who serves */
    else
        obey_signal(g, (int)info.ssi_signo);
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
    supervise_cut_late(&g->workers, now);
    if (g->phase == PHASE_SERVING)
        reload_renew(g, now);
    loop_timer_set(g->loop, &g->housekeeping, now + HOUSEKEEPING);
}

/* ---- run ---- */

/* @return false when that is the end */
static bool adopt_activation(struct guardian *g)
{
    struct diags diags = {0};

    int r = endpoints_adopt_activation(&g->inherited, process_activation(), &diags);
    if (r < 0)
        guardian_fail(g, APP_USAGE, &diags);
    diags_finish(&diags);
    return r >= 0;
}

static void on_watchdog(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, manager_watchdog);

    if (g->phase == PHASE_HANDED_OVER) /* the manager watches the successor */
        return;
    process_notify("WATCHDOG=1");
    loop_timer_set(g->loop, timer, now + g->manager_watchdog_step);
}

/* With WatchdogSec= the manager restarts us unless it hears from us; the loop turns, or it does. */
static void begin_watchdog(struct guardian *g)
{
    g->manager_watchdog_step = process_watchdog() / 3;
    g->manager_watchdog.on_timeout = on_watchdog;
    if (g->manager_watchdog_step)
        on_watchdog(&g->manager_watchdog, nsec_monotonic());
}

/* @return 1 when another program handed over to us, 0, or an error */
static int inherit(struct guardian *g)
{
    struct upgrade_bundle bundle;
    int r = upgrade_inherit(&g->upgrade, &bundle);

    if (r <= 0)
        return r;
    g->lock_fd = bundle.lock_fd;
    g->inherited = bundle.endpoints;
    g->ticket_key_count = bundle.ticket_key_count;
    memcpy(g->ticket_keys, bundle.ticket_keys, sizeof g->ticket_keys);
    memcpy(g->quic_secret, bundle.quic_secret, sizeof g->quic_secret);
    for (size_t i = 0; i < UDP_SLOTS; i++) /* our predecessor's workers read theirs on */
        g->workers.udp_generations[i] =
            (uint8_t)((bundle.udp_generations[i] + 1U) % UDP_GENERATIONS);
    explicit_bzero(&bundle, sizeof bundle);
    return r;
}

static int begin(struct guardian *g)
{
    int r = loop_create(&g->loop);

    g->processes.loop = g->workers.loop = g->watchdog.loop = g->folders.loop = g->upgrade.loop =
        g->loop;
    if (r >= 0)
        r = watch_signals(g);
    if (r >= 0)
        r = inherit(g);
    if (r < 0)
        return r;
    if (r == 0 && !adopt_activation(g))
        return 0;
    begin_watchdog(g);
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
    acme_stop(g);
    if (g->loop) {
        processes_release(&g->processes);
        supervise_free(&g->workers);
    }
    processes_stop(&g->processes);
    deployment_destroy(g, g->next);
    deployment_destroy(g, g->live);
    endpoints_finish(&g->inherited);
    key_ring_free(g);
    close_if_open(g->lock_fd); /* first: who waits for our end may start the next one at once */
    control_stop_done(g);
    control_finish(g, true);
    close_if_open(g->state_fd);
    close_if_open(g->signals.fd);
    protect_shared_destroy(g->workers.shared);
    loop_destroy(g->loop);
    output_close(&g->standard_error);
    free(g->user);
    free(g->state);
    explicit_bzero(g->ticket_keys, sizeof g->ticket_keys);
    explicit_bzero(g->quic_secret, sizeof g->quic_secret);
}

int guardian_run(const struct guardian_options *options)
{
    struct guardian g = {
        .options = options, .signals.fd = -1, .state_fd = -1, .lock_fd = -1, .control.fd = -1};

    g.log = (struct log){LOG_NOTICE, "guardian", to_error_log, &g};
    list_init(&g.keys);
    list_init(&g.clients);
    acme_init(&g);
    /* Without standard error there is nobody to tell. */
    if (output_open(&g.standard_error, STDERR_FILENO) < 0)
        g.standard_error.fd = -1;
    guardian_wire(&g);
    int r = begin(&g);
    if (r < 0) {
        log_event(&g.log, LOG_ERROR, "the guardian cannot go on", "reason=\"%s\"", error_text(r));
        g.exit_code = APP_FAILED;
    }
    scoped(mem_release) char *state = g.state ? mem_string(span_str(g.state)) : NULL;
    finish(&g);
    if (g.successor && getpid() == 1)
        return upgrade_remain(g.successor, state);
    return g.exit_code;
}
