/* From settings to what is served, at the start and at each reload; what fails on the way leaves
 * all as it was.
 *
 * reload_begin → the prepare process → reload_on_prepared → deployment opened → given to each
 * worker → reload_on_applied by the last one → commit; a failure anywhere → abandon */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/guardian_state.h"
#include "app/reload.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/process.h"
#include "os/shell.h"
#include "os/state.h"

#define RENEW_AGAIN (3600 * NSEC_PER_SEC)
#define EARLY_AGAIN (10 * NSEC_PER_SEC)
#define FOLDERS_AGAIN (5 * NSEC_PER_SEC)

/* ---- steps that people see at the start ---- */

static void step(struct guardian *g, const char *name, const char *format, ...) printf_like(3, 4);

static void step(struct guardian *g, const char *name, const char *format, ...)
{
    char text[1024];
    va_list args;

    if (g->phase != PHASE_STARTING || !g->options->on_step)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    g->options->on_step(g->options->context, name, text);
}

static void join(struct buffer *out, const char *word, const char *separator)
{
    int r = buffer_printf(out, "%s%s", out->len ? separator : "", word);
    (void)r; /* cut when longer than the line may be */
}

static void step_sites(struct guardian *g, const struct prepared *prepared)
{
    const struct settings_site *sites = settings_sites(prepared->settings);

    for (size_t i = 0; i < prepared->site_count; i++) {
        struct buffer names = buffer_make(800);
        for (size_t n = 0; n < sites[i].names.count; n++)
            join(&names, sites[i].names.items[n], ", ");
        step(g, "names", "%.*s", (int)names.len, names.data);
        buffer_finish(&names);
        if (sites[i].files && sites[i].files->root)
            step(g, "folder", "%s", sites[i].files->root);
        for (size_t c = 0; c < prepared->sites[i].count; c++)
            step(g, "certificate", "%s", prepared->sites[i].certificates[c].text);
    }
    if (!prepared->ca_unknown)
        return;
    scoped(mem_release) char *usual = state_default();
    scoped(mem_release) char *path = realpath(prepared->state, NULL);
    scoped(mem_release) char *word = shell_word(path ? path : prepared->state);
    scoped(mem_release) char *program = shell_program(false);
    bool plain = usual && strcmp(usual, prepared->state) == 0;
    step(g, "local CA", "%s; browsers warn until it is trusted: %s cert trust%s%s",
         prepared->ca_made ? "new" : "this machine does not trust it yet", program,
         plain ? "" : " --state ", plain ? "" : word);
}

static void step_ports(struct guardian *g, const struct deployment *deployment)
{
    struct buffer text = buffer_make(800);

    for (size_t i = 0; i < deployment->endpoints.count; i++) {
        const struct endpoint *e = &deployment->endpoints.items[i];
        char one[160];
        snprintf(one, sizeof one, "%s %s%s%s%s%s", endpoint_kind(e), e->text,
                 e->proxy_protocol ? " with PROXY protocol" : "",
                 e->shared ? " from the service manager" : "", e->only ? ", " : "",
                 e->only ? e->only : "");
        join(&text, one, ", ");
    }
    step(g, "ports", "%.*s", (int)text.len, text.data ? text.data : "");
    buffer_finish(&text);
}

static void step_log(struct guardian *g, const struct deployment *deployment)
{
    const struct settings *settings = deployment->prepared.settings;
    scoped(mem_release) char *path = settings_access_log(settings, deployment->prepared.state);

    step(g, "access log", "%s", path);
}

static void step_workers(struct guardian *g, const struct deployment *deployment)
{
    unsigned count = settings_workers(deployment->prepared.settings);

    if (g->user)
        step(g, "workers", "%u, sandboxed, as user %s", count, g->user);
    else
        step(g, "workers", "%u, sandboxed, as you (only root could give them another user)", count);
}

/* ---- the end of a reload ---- */

static void log_diags(struct guardian *g, bool fine, const struct diags *diags)
{
    const char *event = fine ? "settings" : "settings are not taken, keeping the old ones";

    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        enum log_level level = diag->warning ? LOG_WARNING : LOG_ERROR;
        char room[512];
        const char *reason = log_quoted(room, sizeof room, span_str(diag->sentence));
        if (diag->file)
            log_event(&g->log, level, event, "file=%s line=%u reason=%s", diag->file, diag->line,
                      reason);
        else
            log_event(&g->log, level, event, "reason=%s", reason);
    }
}

/* Folders were renewed, or not: nobody has asked for it, so nobody waits for an answer. */
static void tell_folders(struct guardian *g, bool fine, const struct diags *diags)
{
    if (fine)
        log_event(&g->log, LOG_NOTICE, "a served folder was exchanged, serving the new one",
                  "generation=%llu", (unsigned long long)g->generation);
    else if (!g->folders_refused) /* once, not at each try */
        log_event(&g->log, LOG_ERROR,
                  "a served folder was exchanged, serving the old one and trying again",
                  "reason=\"%s\"", diags->count ? diags->items[0].sentence : "unknown");
}

static void tell_settings(struct guardian *g, enum app_exit code, const struct diags *diags)
{
    bool fine = code == APP_OK;

    process_notify("READY=1");
    if (g->reload_turn > 1)
        log_diags(g, fine, diags);
    if (fine && g->reload_turn > 1)
        log_event(&g->log, LOG_NOTICE, "settings in force", "generation=%llu",
                  (unsigned long long)g->generation);
    control_reload_done(g, code, diags);
}

static void finish(struct guardian *g, enum app_exit code, const struct diags *diags)
{
    if (!g->live) {
        guardian_fail(g, code, diags);
        return;
    }
    if (g->renews_folders)
        tell_folders(g, code == APP_OK, diags);
    else
        tell_settings(g, code, diags);
    if (g->renews_folders && code != APP_OK)
        folders_watch_pause(&g->folders, FOLDERS_AGAIN);
    g->folders_refused = g->renews_folders && code != APP_OK;
    g->renews_folders = false;
    if (g->reload_again) {
        g->reload_again = false;
        reload_begin(g);
    }
}

/* Workers that a snapshot came too late for, or that took one which is not to be. */
static void roll_back(struct guardian *g)
{
    g->generation++;
    processes_follow(&g->processes);
    list_for_each (worker, spare, &g->workers.list, struct worker_process, link) {
        if (worker->state == WORKER_CANDIDATE) {
            supervise_drain(worker, 0);
        } else if (worker->state == WORKER_CURRENT && worker->child.pid &&
                   deployment_send(g, g->live, worker) < 0) {
            supervise_kill(worker);
        }
    }
}

static void abandon(struct guardian *g, const char *why)
{
    struct diags diags = {0};

    loop_timer_cancel(g->loop, &g->apply_deadline);
    diags_add(&diags, "the workers did not take the settings: %s", why);
    struct deployment *next = take(g->next);
    if (g->live)
        roll_back(g);
    finish(g, APP_FAILED, &diags);
    deployment_destroy(g, next);
    diags_finish(&diags);
}

static void on_apply_deadline(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, apply_deadline);

    (void)now;
    list_for_each (worker, spare, &g->workers.list, struct worker_process, link)
        if (worker->state != WORKER_DRAINING && worker->applied != g->generation)
            supervise_kill(worker);
    abandon(g, "they did not answer in time");
}

/* ---- taking effect ---- */

/* Candidates become current, and whom they or nobody follows finishes. */
static void relieve_workers(struct guardian *g, unsigned count)
{
    list_for_each (worker, spare, &g->workers.list, struct worker_process, link) {
        bool replaced = supervise_find(&g->workers, worker->slot, WORKER_CANDIDATE) != NULL;
        if (worker->state == WORKER_CURRENT && (worker->slot >= count || replaced))
            supervise_drain(worker, DRAIN_AFTER_RELOAD);
    }
    list_for_each (worker, spare, &g->workers.list, struct worker_process, link)
        if (worker->state == WORKER_CANDIDATE)
            worker->state = WORKER_CURRENT;
}

/* First packets of HTTP/3 go to those that are current now. */
static void steer(struct guardian *g, unsigned count)
{
    for (unsigned slot = 0; slot < count && slot < UDP_SLOTS; slot++) {
        const struct worker_process *worker = supervise_find(&g->workers, slot, WORKER_CURRENT);
        if (worker && worker->udp_generation < UDP_GENERATIONS)
            g->workers.udp_generations[slot] = worker->udp_generation;
    }
    int r = endpoints_steer(&g->live->endpoints, g->workers.udp_generations, count);
    if (r < 0)
        log_event(&g->log, LOG_ERROR,
                  "HTTP/3 connections may break: the kernel cannot be told which "
                  "worker their packets are for",
                  "reason=\"%s\"", error_text(r));
}

static void commit(struct guardian *g)
{
    struct diags diags = {0};
    struct deployment *old = g->live;

    loop_timer_cancel(g->loop, &g->apply_deadline);
    g->live = take(g->next);
    if (g->live->borrows) { /* what it shares becomes its own */
        old->borrows = true;
        g->live->borrows = false;
    }
    if (old) /* what was dropped is told in the new log */
        g->live->error.dropped += old->error.dropped;
    relieve_workers(g, settings_workers(g->live->prepared.settings));
    steer(g, settings_workers(g->live->prepared.settings));
    deployment_destroy(g, old);
    endpoints_finish(&g->inherited);
    if (old)
        deployment_send_logs(g, g->live);
    key_ring_arm_rotation(g);
    processes_follow_ports(&g->processes);
    diags = g->live->prepared.diags;
    if (!old) {
        step_workers(g, g->live);
        guardian_on_ready(g);
    }
    acme_follow(g);
    finish(g, APP_OK, &diags);
}

/* Has everybody who shall serve it taken it? */
static bool all_applied(struct guardian *g)
{
    unsigned count = settings_workers(g->next->prepared.settings);

    for (unsigned slot = 0; slot < count; slot++) {
        const struct worker_process *worker = supervise_find(&g->workers, slot, WORKER_CANDIDATE);
        if (!worker)
            worker = supervise_find(&g->workers, slot, WORKER_CURRENT);
        if (!worker || worker->applied != g->generation)
            return false;
    }
    return true;
}

void reload_on_applied(struct guardian *g, struct worker_process *worker, uint64_t generation)
{
    worker->applied = generation;
    if (g->next && generation == g->generation && all_applied(g))
        commit(g);
}

void reload_on_failed(struct guardian *g, uint64_t generation, const char *why)
{
    if (g->next && generation == g->generation)
        abandon(g, why);
}

static int give_to_workers(struct guardian *g, unsigned count)
{
    int r = 0;

    for (unsigned slot = 0; r >= 0 && slot < count; slot++) {
        struct worker_process *worker = supervise_find(&g->workers, slot, WORKER_CURRENT);
        if (worker && worker->child.pid && supervise_can_open(worker, &g->next->folders)) {
            if (deployment_send(g, g->next, worker) < 0)
                supervise_kill(worker);
        } else if (!worker || worker->child.pid) {
            r = supervise_spawn(&g->workers, slot, worker ? WORKER_CANDIDATE : WORKER_CURRENT);
        } /* else it is about to be started, with these settings */
    }
    return r;
}

/* ---- the beginning ---- */

/* What was settled at the start and stays until the next one. @return 0, or ERR_SETTINGS */
static int check_lasting(const struct guardian *g, struct prepared *prepared, struct diags *diags)
{
    const char *user = prepared->settings->user;

    if (strcmp(g->live->prepared.state, prepared->state) != 0) {
        diag_hint(diags_add(diags, "the state folder cannot change while gardien runs"),
                  "keep `state: %s`, or stop it and start it again", g->live->prepared.state);
        return ERR_SETTINGS;
    }
    if (user && g->user && strcmp(user, g->user) != 0) {
        diags_add(&prepared->diags, "a change of `user` takes effect at the next start")->warning =
            true;
        prepared->diags.errors--;
    }
    return 0;
}

/* Gives `next` to the workers, who answer each in their time. */
static int hand_out(struct guardian *g, struct diags *diags)
{
    int r = 0;

    g->generation++;
    g->apply_deadline.on_timeout = on_apply_deadline;
    loop_timer_set(g->loop, &g->apply_deadline, nsec_monotonic() + APPLY_TIMEOUT);
    if (!g->live)
        r = processes_start(&g->processes, PROCESS_LOGS);
    /* Processes know the settings before workers ask by them. */
    processes_follow(&g->processes);
    if (r >= 0)
        r = give_to_workers(g, settings_workers(g->next->prepared.settings));
    if (r < 0)
        (void)process_hint_descriptors(
            diags_add(diags, "the workers cannot be started: %s", error_text(r)), r);
    return r;
}

static int serve(struct guardian *g, struct prepared *prepared, struct diags *diags)
{
    step_sites(g, prepared);
    int r = g->live ? check_lasting(g, prepared, diags) : guardian_settle(g, prepared, diags);
    if (r >= 0)
        r = deployment_create(g, prepared, diags, &g->next);
    if (r < 0)
        return r;
    step_ports(g, g->next);
    step_log(g, g->next);
    return hand_out(g, diags);
}

/* `next` could not even be given out. */
static void give_up(struct guardian *g, enum app_exit code, const struct diags *diags)
{
    struct deployment *next = take(g->next);

    loop_timer_cancel(g->loop, &g->apply_deadline);
    if (next && g->live)
        roll_back(g);
    finish(g, code, diags);
    deployment_destroy(g, next);
}

void reload_folders(struct guardian *g)
{
    struct diags diags = {0};

    if (!g->live || g->next || g->prepare.pid)
        return;
    g->renews_folders = true;
    int r = deployment_renew_folders(g, &diags, &g->next);
    if (r >= 0)
        r = hand_out(g, &diags);
    if (r < 0)
        give_up(g, APP_FAILED, &diags);
    diags_finish(&diags);
}

void reload_on_prepared(struct guardian *g, int status)
{
    struct prepared prepared;
    struct diags diags = {0};

    int r = prepare_finish(&g->prepare, status, &prepared);
    if (g->phase >= PHASE_STOPPING) {
        prepared_finish(&prepared);
        return;
    }
    if (r < 0) {
        finish(g, APP_USAGE, &prepared.diags);
        prepared_finish(&prepared);
        return;
    }
    if (g->phase == PHASE_STARTING && prepared.diags.count)
        g->options->on_diags(g->options->context, &prepared.diags);
    r = serve(g, &prepared, &diags);
    prepared_finish(&prepared);
    if (r < 0)
        give_up(g, r == ERR_SETTINGS ? APP_USAGE : APP_FAILED, &diags);
    diags_finish(&diags);
}

static void tell_reloading(void)
{
    scoped(mem_release) char *text = mem_format("RELOADING=1\nMONOTONIC_USEC=%lld",
                                                (long long)(nsec_monotonic() / NSEC_PER_USEC));

    process_notify(text);
}

void reload_begin(struct guardian *g)
{
    struct diags diags = {0};

    if (g->prepare.pid || g->next) {
        g->reload_again = true;
        return;
    }
    g->reload_turn++;
    if (g->live)
        tell_reloading();
    int r = prepare_start(&g->host, &g->options->source, &g->prepare);
    if (r < 0) {
        diags_add(&diags, "no process can be started to read the settings: %s", error_text(r));
        finish(g, APP_FAILED, &diags);
        diags_finish(&diags);
    }
}

void reload_renew(struct guardian *g, nsec_t now)
{
    if (!g->live || g->next || g->prepare.pid)
        return;
    /* A certificate that is not valid yet is due at once: the clock was put back, and no client
     * takes it until then. */
    nsec_t wall = nsec_realtime();
    bool early = wall < g->live->prepared.valid_from;
    if (wall < g->live->prepared.renew_at && !early)
        return;
    if (g->renewed_at && now - g->renewed_at < (early ? EARLY_AGAIN : RENEW_AGAIN))
        return;
    g->renewed_at = now;
    log_event(&g->log, LOG_NOTICE, "renewing certificates of the local CA", "reason=\"%s\"",
              early ? "the clock was put back, they are not valid yet" : "they are due");
    reload_begin(g);
}

void reload_reopen_logs(struct guardian *g)
{
    struct diags diags = {0};

    if (!g->live)
        return;
    int r = deployment_open_logs(g->live, &diags);
    if (r >= 0)
        deployment_send_logs(g, g->live);
    else
        log_event(&g->log, LOG_ERROR, "log files are not opened anew, writing the old ones",
                  "reason=\"%s\"", diags.items[0].sentence);
    diags_finish(&diags);
}
