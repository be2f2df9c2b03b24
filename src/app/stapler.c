/* OCSP answers as the guardian looks after them: who is asked when, what the workers get, and what
 * people are told. The answers hang on the keys of key_ring.c.
 *
 * stapler_attach → on_timer → a process → stapler_on_exit → workers → on_timer … */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/guardian_state.h"
#include "app/stapler.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/process.h"

enum { PROCESSES_MAX = 4 };

#define PATIENCE (30 * NSEC_PER_SEC) /* for one process */
#define RETRY_MIN (300 * NSEC_PER_SEC)
#define RETRY_MAX (3600 * NSEC_PER_SEC)
#define NEXT_TURN NSEC_PER_SEC /* while others are asked */
#define IDLE (3600 * NSEC_PER_SEC)
#define REFRESH_MAX (7 * 24 * 3600 * NSEC_PER_SEC)

/* What people were told last; each change is told once. */
enum news { NEWS_NONE, NEWS_GOOD, NEWS_FAILING, NEWS_FAILING_OLD, NEWS_REVOKED, NEWS_UNKNOWN };

struct staple {
    struct guardian *guardian;
    struct key *key;
    char *name; /* of a site, for people */
    struct ocsp_answer answer;
    struct loop_timer timer; /* time to ask; while a process runs, its deadline */
    pid_t pid;               /* 0: none */
    int result_fd;
    unsigned failures; /* in a row */
    enum news news;
};

/* ---- news ---- */

static void tell_people(struct staple *staple, enum news news, const char *why)
{
    static const struct {
        enum log_level level;
        const char *event;
        const char *hint;
    } texts[] = {
        [NEWS_GOOD] = {LOG_NOTICE, "OCSP answer received, stapling it",
                       "nothing to do: `ocsp_stapling: off` in `tls` would stop it"},
        [NEWS_FAILING] = {LOG_WARNING,
                          "no OCSP answer to be had, going on without a stapled answer",
                          "asked again soon; can this machine reach the responder, directly or by "
                          "$http_proxy?"},
        [NEWS_FAILING_OLD] = {LOG_WARNING,
                              "no new OCSP answer to be had, keeping the old one until it expires",
                              "asked again soon; can this machine reach the responder, directly or "
                              "by $http_proxy?"},
        [NEWS_REVOKED] = {LOG_ERROR,
                          "a certificate is REVOKED, going on with it without a stapled answer",
                          "get a new certificate: clients that ask its CA refuse this one"},
        [NEWS_UNKNOWN] = {LOG_WARNING,
                          "the OCSP responder does not know a certificate, going on without a "
                          "stapled answer",
                          "normal for a new certificate; else ask the CA"},
    };
    char until[CERT_DATE_TEXT] = "-", quoted[300]; /* the process met a peer's bytes */

    if (staple->news == news)
        return;
    staple->news = news;
    if (staple->answer.der)
        cert_date_text(staple->answer.expires_at, until);
    log_event(&staple->guardian->log, texts[news].level, texts[news].event,
              "site=%s reason=%s expires=\"%s\" hint=\"%s\"", staple->name,
              log_quoted(quoted, sizeof quoted, span_str(why)), until, texts[news].hint);
}

/* Every worker staples what is known now, or nothing. One that cannot be told goes on with what it
 * has, which ends by itself. */
static void tell_workers(struct staple *staple)
{
    struct ocsp_answer *answer = &staple->answer;
    struct ipc_message message = {.kind = IPC_OCSP, .value = (uint64_t)answer->expires_at};
    int fd = answer->der ? ipc_memory(span_of(answer->der, answer->len)) : -1;

    memcpy(message.text, answer->fingerprint, sizeof answer->fingerprint);
    message.text_len = sizeof answer->fingerprint;
    if (fd >= 0)
        message.fds[message.fd_count++] = fd;
    supervise_send(&staple->guardian->workers, &message);
    if (fd >= 0)
        close(fd);
}

/* ---- asking ---- */

static bool wanted(const struct staple *staple)
{
    const struct guardian *g = staple->guardian;

    return staple->key->references > 0 && g->live && g->live->prepared.settings->tls.ocsp_stapling;
}

static int ask(struct staple *staple)
{
    struct guardian *g = staple->guardian;
    int fd = memfd_create("ocsp", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    struct process_launch launch = process_launch_of(PROCESS_OCSP, fd, staple->key->chain_pem);
    pid_t pid = process_launch(&g->host, &launch);
    if (pid < 0) {
        close(fd);
        return pid;
    }
    g->ocsp_processes++;
    staple->pid = pid;
    staple->result_fd = fd;
    return 0;
}

static void arm(struct staple *staple, nsec_t wait)
{
    loop_timer_set(staple->guardian->loop, &staple->timer, nsec_monotonic() + wait);
}

static void failed(struct staple *staple, const char *why)
{
    bool old = staple->answer.der && staple->answer.expires_at > nsec_realtime();
    unsigned doublings = staple->failures < 4 ? staple->failures : 4;
    nsec_t wait = RETRY_MIN << doublings;

    staple->failures++;
    tell_people(staple, old ? NEWS_FAILING_OLD : NEWS_FAILING, why);
    arm(staple, wait < RETRY_MAX ? wait : RETRY_MAX);
}

static void on_timer(struct loop_timer *timer, nsec_t now)
{
    struct staple *staple = container_of(timer, struct staple, timer);
    struct guardian *g = staple->guardian;

    (void)now;
    if (staple->pid) {
        kill(staple->pid, SIGKILL); /* its end counts as a failure */
        return;
    }
    if (g->phase > PHASE_SERVING) /* a successor asks */
        return;
    if (!wanted(staple) || g->ocsp_processes >= PROCESSES_MAX) {
        arm(staple, g->live && !wanted(staple) ? IDLE : NEXT_TURN);
        return;
    }
    int r = ask(staple);
    if (r < 0)
        failed(staple, "no process can be started to ask for it");
    else
        arm(staple, PATIENCE);
}

static nsec_t until_refresh(const struct staple *staple)
{
    nsec_t wait = staple->answer.refresh_at - nsec_realtime();

    return wait < 0 ? 0 : wait < REFRESH_MAX ? wait : REFRESH_MAX;
}

/* ---- answers ---- */

static void keep(struct staple *staple, struct span der)
{
    struct ocsp_answer *answer = &staple->answer;

    free(answer->der);
    answer->der = NULL;
    answer->len = der.len;
    if (der.len) {
        answer->der = mem_alloc(der.len);
        memcpy(answer->der, der.ptr, der.len);
    }
}

/* A bad answer is not stapled: it would keep everybody out, also those who never ask. Nor is a good
 * one of before, which would deceive them. */
static void take_result(struct staple *staple, const struct ocsp_result *result, struct span der)
{
    struct guardian *g = staple->guardian;
    bool good = result->ocsp.status == CERT_OCSP_GOOD;

    staple->failures = 0;
    staple->answer.expires_at = result->ocsp.expires_at;
    staple->answer.refresh_at = result->ocsp.refresh_at;
    keep(staple, good ? der : SPAN(""));
    tell_workers(staple);
    tell_people(staple,
                good                                       ? NEWS_GOOD
                : result->ocsp.status == CERT_OCSP_REVOKED ? NEWS_REVOKED
                                                           : NEWS_UNKNOWN,
                "the responder says so");
    int r = good ? cert_ocsp_save(g->state_fd, staple->answer.fingerprint, der) : 0;
    if (r < 0)
        log_event(&g->log, LOG_WARNING,
                  "an OCSP answer cannot be kept, asking anew after a restart", "reason=\"%s\"",
                  error_text(r));
    if (!good)
        cert_ocsp_forget(g->state_fd, staple->answer.fingerprint);
    arm(staple, until_refresh(staple));
}

static void on_end(struct staple *staple, int status)
{
    struct ocsp_result result;
    struct buffer der = {NULL};
    int fd = staple->result_fd;
    int r = ERR_PROTOCOL;

    staple->pid = 0;
    staple->guardian->ocsp_processes--;
    if (staple->guardian->phase <= PHASE_SERVING) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            r = ocsp_result_read(fd, nsec_realtime(), &result, &der);
        if (r < 0)
            failed(staple, WIFSIGNALED(status) ? "the responder, or the lookup of its name, took "
                                                 "too long"
                           : WEXITSTATUS(status) == PROCESS_UNCONFINED
                               ? "its process cannot be confined"
                               : "its process failed");
        else if (result.why[0])
            failed(staple, result.why);
        else
            take_result(staple, &result, buffer_span(&der));
    }
    buffer_finish(&der);
    close(fd);
}

bool stapler_on_exit(struct guardian *g, pid_t pid, int status)
{
    list_for_each (key, spare, &g->keys, struct key, link) {
        if (!key->staple || key->staple->pid != pid)
            continue;
        on_end(key->staple, status);
        return true;
    }
    return false;
}

/* ---- keys ---- */

void stapler_attach(struct guardian *g, struct key *key, const char *name,
                    const struct ocsp_answer *known)
{
    struct staple *staple = key->staple;

    if (staple) {
        bool fine = staple->news == NEWS_GOOD; /* else a reload tries again */
        if (!fine)
            staple->failures = 0;
        if (!staple->pid)
            arm(staple, fine ? until_refresh(staple) : 0);
        return;
    }
    staple = mem_new(struct staple);
    *staple = (struct staple){.guardian = g,
                              .key = key,
                              .name = mem_string(span_str(name)),
                              .answer = *known,
                              .news = known->der ? NEWS_GOOD : NEWS_NONE,
                              .timer.on_timeout = on_timer};
    staple->answer.der = NULL;
    keep(staple, span_of(known->der, known->len));
    key->staple = staple;
    arm(staple, until_refresh(staple));
}

void stapler_detach(struct key *key)
{
    struct staple *staple = take(key->staple);

    if (!staple)
        return;
    loop_timer_cancel(staple->guardian->loop, &staple->timer);
    if (staple->pid) {
        kill(staple->pid, SIGKILL);
        waitpid(staple->pid, NULL, 0);
        staple->guardian->ocsp_processes--;
        close(staple->result_fd);
    }
    ocsp_answer_finish(&staple->answer);
    free(staple->name);
    free(staple);
}

const struct ocsp_answer *stapler_answer(const struct key *key)
{
    return key->staple && key->staple->answer.der ? &key->staple->answer : NULL;
}
