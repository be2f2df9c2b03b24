/* Orders as the guardian looks after them: when each is made, what it needs, what is kept of it.
 *
 * acme_follow → on_timer → prepare_keys → launch → on_message … → conclude → on_timer … */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/acme_site.h"
#include "app/acme_tokens.h"
#include "app/guardian_state.h"
#include "app/reload.h"
#include "base/error.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "os/fdpass.h"
#include "os/socket.h"

enum { RUNNING_MAX = 2, CHAIN_MAX = 256 << 10, CRASHES_SOON = 3 };

#define PATIENCE (900 * NSEC_PER_SEC) /* for one process */
#define NEXT_TURN NSEC_PER_SEC        /* while others run */
#define LOOK_AGAIN (3600 * NSEC_PER_SEC)
#define WINDOW_PERIOD (12 * 3600 * NSEC_PER_SEC) /* between looks at renewal information */
#define ANSWER_TIMEOUT (5 * NSEC_PER_SEC)
#define CRASH_WAIT NSEC_PER_SEC /* before an order whose process died is gone on with */

static const struct acme_settings *settings_of(const struct guardian *g)
{
    return &g->live->prepared.settings->acme;
}

static uint64_t random_number(void)
{
    uint64_t number = 0;
    ssize_t got = getrandom(&number, sizeof number, 0);

    return got == sizeof number ? number : 0;
}

static void arm(struct acme_site *site, nsec_t wait)
{
    loop_timer_set(site->guardian->loop, &site->timer, nsec_monotonic() + wait);
}

static int open_store(struct acme_site *site)
{
    struct guardian *g = site->guardian;

    if (site->order_fd >= 0)
        return 0;
    site->ca_fd = acme_store_open(g->state_fd, acme_directory_url(settings_of(g)->directory));
    if (site->ca_fd < 0)
        return site->ca_fd;
    site->order_fd = acme_store_order(site->ca_fd, site->name);
    return site->order_fd < 0 ? site->order_fd : 0;
}

static void close_store(struct acme_site *site)
{
    if (site->order_fd >= 0)
        close(site->order_fd);
    if (site->ca_fd >= 0)
        close(site->ca_fd);
    site->order_fd = site->ca_fd = -1;
}

static void save_record(struct acme_site *site)
{
    bool closed = site->order_fd < 0;
    int r = open_store(site);

    if (r == 0)
        r = acme_store_save_record(site->order_fd, &site->record);
    if (closed)
        close_store(site);
    if (r < 0)
        log_event(&site->guardian->log, LOG_WARNING,
                  "what is known of an order cannot be kept, going on without",
                  "site=%s reason=\"%s\"", site->name, error_text(r));
}

/* ---- when ---- */

/* The moment for the next order, wall clock. */
static nsec_t due_at(struct acme_site *site, nsec_t now)
{
    struct acme_record *record = &site->record;

    if (site->life.not_after == 0)
        return record->retry_at > now ? record->retry_at : now;
    bool known =
        record->renew_at && record->renews && site->id && strcmp(record->renews, site->id) == 0;
    if (!known) {
        record->renew_at = acme_renew_at(&site->life, random_number());
        free(record->renews);
        record->renews = site->id ? mem_string(span_str(site->id)) : NULL;
        save_record(site);
    }
    return record->renew_at > record->retry_at ? record->renew_at : record->retry_at;
}

static void arm_due(struct acme_site *site)
{
    nsec_t now = nsec_realtime(), due = due_at(site, now);
    nsec_t wait = due > now ? due - now : 0;

    /* The wall clock may jump: it is looked at again within the hour. */
    arm(site, site->asked ? 0 : wait < LOOK_AGAIN ? wait : LOOK_AGAIN);
}

/* ---- keys and folders ---- */

static void release_keys(struct acme_site *site)
{
    struct key **keys[] = {&site->account, &site->eab, &site->key};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (*keys[i])
            key_ring_unref(site->guardian, take(*keys[i]));
}

/* ---- results ---- */

/* What a client of the control socket waits for. @param why  NULL: it went well */
static void conclude_round(struct acme_site *site, const char *why)
{
    site->rounds++;
    site->step = -1;
    free(site->outcome);
    site->outcome = why ? mem_string(span_str(why)) : NULL;
}

static void fail_until(struct acme_site *site, nsec_t retry_at, const char *why)
{
    struct guardian *g = site->guardian;
    struct acme_record *record = &site->record;
    nsec_t now = nsec_realtime();
    char date[CERT_DATE_TEXT], quoted[1200];
    enum acme_urgency urgency = site->life.not_after ? acme_urgency(&site->life, now) : ACME_WARN;

    conclude_round(site, why);
    record->failures++;
    record->retry_at = retry_at;
    free(record->last_error);
    record->last_error = mem_string(span_str(why));
    save_record(site);
    log_event(&g->log, urgency >= ACME_URGENT ? LOG_ERROR : LOG_WARNING,
              site->life.not_after ? "a certificate could not be renewed, keeping the one in use"
                                   : "no certificate yet, serving with one of the local CA",
              "site=%s reason=%s failures=%u retry=\"%s\"", site->name,
              log_quoted(quoted, sizeof quoted, span_str(why)), record->failures,
              cert_date_text(record->retry_at, date));
}

static void fail(struct acme_site *site, nsec_t retry_after, const char *why)
{
    fail_until(
        site,
        acme_retry_at(site->record.failures + 1, nsec_realtime(), retry_after, random_number()),
        why);
}

/* A failed order is tried again later; what was asked for by hand is only told. */
static void tell_failure(struct acme_site *site, nsec_t retry_after, const char *why)
{
    if (site->job == ACME_JOB_ORDER)
        fail(site, retry_after, why);
    else if (site->job != ACME_JOB_WINDOW)
        conclude_round(site, why);
}

/* An order whose process died is no failure of the authority: it is gone on with at once, since the
 * authority is validating. One that kills its process each time waits as others do. */
static void fail_crashed(struct acme_site *site, const char *why)
{
    if (site->job == ACME_JOB_ORDER && site->crashes++ < CRASHES_SOON)
        fail_until(site, nsec_realtime() + CRASH_WAIT, why);
    else
        tell_failure(site, 0, why);
}

/* ---- keys ---- */

static void prepare_keys(struct acme_site *site);

struct making {
    struct acme_site *site;
    struct key **key;
    bool account;
};

static void on_made(void *context, int result, struct key *key)
{
    struct making *making = context;
    struct acme_site *site = making->site;
    int folder = making->account ? site->ca_fd : site->order_fd;

    if (result == 0) {
        *making->key = key;
        result = acme_store_keep_key(folder, making->account ? "account.key" : "key.pem");
    }
    free(making);
    if (result == 0) {
        prepare_keys(site);
        return;
    }
    fail(site, 0, "the private key cannot be made or kept");
    release_keys(site);
    close_store(site);
    arm_due(site);
}

/* @return 0 when it is being made, or an error */
static int make_key(struct acme_site *site, struct key **key, bool account)
{
    int folder = account ? site->ca_fd : site->order_fd;
    int fd = acme_store_new_key(folder, account ? "account.key" : "key.pem");

    if (fd < 0)
        return fd;
    struct making *making = mem_new(struct making);
    *making = (struct making){site, key, account};
    const struct key_making wanted = {
        .purpose = account ? KEYS_FOR_ACCOUNT : KEYS_FOR_SERVER,
        .kind = KEYS_KIND_P256,
        .fd = fd,
        .on_made = on_made,
        .context = making,
    };
    int r = key_ring_make(site->guardian, &wanted);
    if (r < 0) {
        free(making);
        close(fd);
    }
    return r;
}

/* @return 1 when it is loaded, 0 when it is being made, or an error */
static int ensure_key(struct acme_site *site, struct key **key, bool account)
{
    int folder = account ? site->ca_fd : site->order_fd;
    const char *file = account ? "account.key" : "key.pem";
    struct diags diags = {0};

    if (*key)
        return 1;
    int fd = acme_store_open_key(folder, file);
    if (fd == -ENOENT)
        return make_key(site, key, account);
    if (fd < 0)
        return fd;
    const struct key_source source = {
        .purpose = account ? KEYS_FOR_ACCOUNT : KEYS_FOR_SERVER, .fd = fd, .path = file};
    int r = key_ring_load(site->guardian, &source, &diags, key);
    diags_finish(&diags);
    if (r < 0 && r != ERR_CLOSED && r != ERR_TIMEOUT) { /* damaged: another is made */
        log_event(&site->guardian->log, LOG_WARNING,
                  "a private key of ACME is damaged, making another", "site=%s file=%s", site->name,
                  file);
        return make_key(site, key, account);
    }
    return r < 0 ? r : 1;
}

/* @return 1, or an error with a diag */
static int ensure_eab(struct acme_site *site, struct diags *diags)
{
    const struct acme_settings *settings = settings_of(site->guardian);

    if (!settings->eab.kid || !settings->eab.secret || site->eab)
        return 1;
    int fd = acme_store_open_secret(settings->eab.secret);
    if (fd < 0) {
        diags_add(diags, "acme.eab.secret %s cannot be read: %s", settings->eab.secret,
                  error_text(fd));
        return fd;
    }
    const struct key_source source = {
        .purpose = KEYS_FOR_EAB, .fd = fd, .path = settings->eab.secret};
    int r = key_ring_load(site->guardian, &source, diags, &site->eab);
    return r < 0 ? r : 1;
}

/* ---- the process ---- */

static uint16_t check_port(const struct guardian *g)
{
    const struct endpoints *endpoints = &g->live->endpoints;

    if (!settings_of(g)->check)
        return 0;
    for (size_t i = 0; i < endpoints->count; i++)
        if (!endpoints->items[i].secure && socket_address_port(&endpoints->items[i].address) == 80)
            return 80;
    return 0;
}

static void on_message(struct loop_watch *watch, unsigned events);

static int launch(struct acme_site *site)
{
    struct guardian *g = site->guardian;
    const struct acme_settings *settings = settings_of(g);
    char *account_url = NULL;
    int pair[2];

    int r = acme_store_account(site->ca_fd, &account_url);
    if (r < 0 && r != ERR_NOT_FOUND && r != ERR_SYNTAX)
        return r;
    scoped(mem_release) char *known = account_url;
    scoped(mem_release) char *place = acme_store_path(site->name, "chain.pem");
    scoped(mem_release) char *chain_path = mem_format("%s/%s", g->state, place);
    const struct acme_question question = {
        .directory = acme_directory_url(settings->directory),
        .ca_file = settings->ca_file,
        .email = settings->email,
        .profile = settings->profile,
        .eab_kid = site->eab ? settings->eab.kid : NULL,
        .eab_secret = site->eab ? site->eab->id : 0,
        .account_key = site->account->id,
        .certificate_key = site->key ? site->key->id : 0,
        .account_url = known,
        .order_url = site->record.order_url,
        .replaces = site->id,
        .names = (const char *const *)site->names,
        .name_count = site->name_count,
        .check_port = check_port(g),
        .job = site->job,
        .chain_path = chain_path,
        .reason = site->reason,
    };
    r = fdpass_pair(pair);
    if (r < 0)
        return r;
    struct process_launch launch = process_launch_of(PROCESS_ACME, pair[1], &question);
    r = processes_open_links(&g->processes, &launch);
    pid_t pid = r < 0 ? (pid_t)r : process_launch(&g->host, &launch);
    processes_close_links(&launch);
    close(pair[1]);
    r = pid < 0 ? (int)pid : socket_send_timeout(pair[0], ANSWER_TIMEOUT);
    site->watch = (struct loop_watch){.fd = pair[0], .on_event = on_message};
    if (r >= 0)
        r = loop_add(g->loop, &site->watch, LOOP_LEVEL);
    if (r < 0) {
        if (pid > 0)
            kill(pid, SIGKILL); /* its end is of nobody's interest */
        close(pair[0]);
        site->watch.fd = -1;
        return r;
    }
    g->acme.running++;
    site->pid = pid;
    site->concluded = false;
    arm(site, PATIENCE);
    return 0;
}

static void give_up(struct acme_site *site, const char *why)
{
    tell_failure(site, 0, why);
    release_keys(site);
    close_store(site);
    arm_due(site);
}

/* Goes on until a key has to be waited for. */
static void prepare_keys(struct acme_site *site)
{
    struct diags diags = {0};

    int r = ensure_key(site, &site->account, true);
    if (r == 1)
        r = ensure_eab(site, &diags);
    if (r == 1 && site->job == ACME_JOB_ORDER)
        r = ensure_key(site, &site->key, false);
    if (r == 1)
        r = launch(site);
    if (r == -EBUSY)
        arm(site, NEXT_TURN); /* the keys process makes another key */
    else if (r < 0)
        give_up(site, diags.count ? diags.items[0].sentence : error_text(r));
    diags_finish(&diags);
}

/* An order of other names than those of now is of no use. */
static void check_order(struct acme_site *site)
{
    struct buffer names = buffer_make(64 << 10);
    int r = 0;

    for (size_t i = 0; r == 0 && i < site->name_count; i++)
        r = buffer_printf(&names, "%s\n", site->names[i]);
    scoped(mem_release) char *text = mem_string(buffer_span(&names));
    buffer_finish(&names);
    if (site->record.names && strcmp(site->record.names, text) == 0)
        return;
    free(take(site->record.order_url));
    free(take(site->record.token));
    free(site->record.names);
    site->record.names = take(text);
}

static void begin(struct acme_site *site, enum acme_job job)
{
    int r = open_store(site);

    site->job = job;
    site->asked = false;
    site->step = -1;
    if (r < 0) {
        give_up(site, error_text(r));
        return;
    }
    check_order(site);
    prepare_keys(site);
}

static void on_timer(struct loop_timer *timer, nsec_t now)
{
    struct acme_site *site = container_of(timer, struct acme_site, timer);
    struct guardian *g = site->guardian;

    if (site->pid) {
        kill(site->pid, SIGKILL); /* its end counts as a failure */
        return;
    }
    if (g->phase != PHASE_SERVING || !site->named)
        return;
    if (g->acme.running >= RUNNING_MAX) {
        arm(site, NEXT_TURN);
        return;
    }
    if (site->account) { /* it waited for its turn with the keys process */
        prepare_keys(site);
        return;
    }
    nsec_t wall = nsec_realtime();
    if (site->asked)
        begin(site, site->asked_job);
    else if (due_at(site, wall) <= wall)
        begin(site, ACME_JOB_ORDER);
    else if (site->id && now >= site->window_at)
        begin(site, ACME_JOB_WINDOW);
    else
        arm_due(site);
}

/* ---- what the process says ---- */

static void log_step(struct acme_site *site, uint64_t step, struct span name)
{
    static const char *const events[] = {
        [ACME_STEP_ACCOUNT] =
            "asking the certificate authority; its terms of service are agreed to",
        [ACME_STEP_ORDER] = "a certificate is ordered",
        [ACME_STEP_CHALLENGE] = "the certificate authority is asked to validate a name",
        [ACME_STEP_VALIDATED] = "a name is validated",
        [ACME_STEP_FINALIZE] = "the certificate is requested",
        [ACME_STEP_DOWNLOAD] = "the certificate is issued",
    };
    char quoted[600];

    if (step >= ARRAY_SIZE(events) || !events[step] || site->job == ACME_JOB_WINDOW)
        return;
    site->step = (int)step;
    log_event(&site->guardian->log, LOG_NOTICE, events[step], "site=%s about=%s", site->name,
              log_quoted(quoted, sizeof quoted, name));
}

static int keep_account(const struct acme_site *site, struct span url)
{
    scoped(mem_release) char *text = mem_string(url);

    if (!span_starts(url, SPAN("https://")))
        return ERR_PROTOCOL;
    return acme_store_save_account(site->ca_fd, text);
}

static int keep_order(struct acme_site *site, struct span url)
{
    if (url.len && !span_starts(url, SPAN("https://")))
        return ERR_PROTOCOL;
    free(take(site->record.token));
    free(site->record.order_url);
    site->record.order_url = url.len ? mem_string(url) : NULL;
    return acme_store_save_record(site->order_fd, &site->record);
}

/* The token of an order is kept with it: the authority may look for it while the process, or all of
 * gardien, is being started again. */
static int publish(struct acme_site *site, struct span text, bool on)
{
    int r = acme_token_set(site->guardian, site, text, on);

    if (r < 0 || !on || !site->record.order_url)
        return r;
    free(site->record.token);
    site->record.token = mem_string(text);
    return acme_store_save_record(site->order_fd, &site->record);
}

/* When to renew, by the server: "START END", wall clock in ns. */
static int keep_window(struct acme_site *site, struct span text)
{
    struct span start, rest = text;
    uint64_t from, to;

    if (!span_next(&rest, ' ', &start) || span_to_uint(start, &from) < 0 ||
        span_to_uint(rest, &to) < 0 || to <= from || to > INT64_MAX)
        return ERR_PROTOCOL;
    if (site->life.window_start == (nsec_t)from && site->life.window_end == (nsec_t)to)
        return 0; /* the moment that was chosen stays */
    site->life.window_start = (nsec_t)from;
    site->life.window_end = (nsec_t)to;
    site->record.renew_at = acme_renew_at(&site->life, random_number());
    return acme_store_save_record(site->order_fd, &site->record);
}

/* What the process says of the certificate: "NOT-BEFORE NOT-AFTER ID", wall clock in ns. It is
 * believed for the time of the next order only. */
static int take_life(struct acme_site *site, struct span text)
{
    struct span before, after, rest = text;
    uint64_t from, to;

    if (!span_next(&rest, ' ', &before) || !span_next(&rest, ' ', &after) ||
        span_to_uint(before, &from) < 0 || span_to_uint(after, &to) < 0 || to <= from)
        return ERR_PROTOCOL;
    site->life = (struct acme_lifetime){.not_before = (nsec_t)from, .not_after = (nsec_t)to};
    free(site->id);
    site->id = rest.len ? mem_string(rest) : NULL;
    return 0;
}

static void conclude_chain(struct acme_site *site, int fd, struct span life)
{
    struct guardian *g = site->guardian;
    struct buffer chain = buffer_make(CHAIN_MAX);

    int r = ipc_memory_read(fd, &chain);
    if (r >= 0)
        r = take_life(site, life);
    if (r >= 0)
        r = acme_store_install(g->state_fd, site->name, site->order_fd, buffer_span(&chain));
    buffer_finish(&chain);
    if (r < 0) {
        fail(site, 0, error_text(r));
        return;
    }
    acme_record_finish(&site->record);
    save_record(site);
    conclude_round(site, NULL);
    log_event(&g->log, LOG_NOTICE, "a certificate has come, taking it into service", "site=%s",
              site->name);
    reload_begin(g);
}

/* What was revoked is replaced at once. */
static void conclude_revocation(struct acme_site *site)
{
    log_event(&site->guardian->log, LOG_NOTICE,
              "the certificate in use is revoked, ordering another", "site=%s", site->name);
    conclude_round(site, NULL);
    acme_site_ask(site, ACME_JOB_ORDER);
}

static void conclude(struct acme_site *site, struct ipc_message *message)
{
    struct span text = span_of(message->text, message->text_len);
    scoped(mem_release) char *why = mem_string(text);

    site->concluded = true;
    site->crashes = 0;
    if (site->job == ACME_JOB_ORDER && message->fd_count == 1)
        conclude_chain(site, message->fds[0], text);
    else if (site->job == ACME_JOB_ORDER || why[0])
        tell_failure(site, (nsec_t)message->value,
                     why[0] ? why : "the acme process gave no reason");
    else if (site->job == ACME_JOB_REVOKE)
        conclude_revocation(site);
    else if (site->job == ACME_JOB_TRY)
        conclude_round(site, NULL);
}

/* @return whether an answer is due, with its value */
static bool obey(struct acme_site *site, struct ipc_message *message, int *ret_answer)
{
    struct span text = span_of(message->text, message->text_len);

    switch (message->kind) {
    case IPC_ACME_ACCOUNT:
        *ret_answer = keep_account(site, text);
        return true;
    case IPC_ACME_ORDER:
        *ret_answer = keep_order(site, text);
        return true;
    case IPC_ACME_PUBLISH:
        *ret_answer = publish(site, text, message->value == 1);
        return true;
    case IPC_ACME_WINDOW:
        *ret_answer = keep_window(site, text);
        return true;
    case IPC_ACME_STEP:
        log_step(site, message->value, text);
        return false;
    case IPC_ACME_RESULT:
        conclude(site, message);
        return false;
    case IPC_NOTE: {
        char quoted[1200];
        log_event(&site->guardian->log, LOG_WARNING, "acme", "site=%s said=%s", site->name,
                  log_quoted(quoted, sizeof quoted, text));
        return false;
    }
    default:
        *ret_answer = ERR_PROTOCOL;
        return true;
    }
}

static void on_message(struct loop_watch *watch, unsigned events)
{
    struct acme_site *site = container_of(watch, struct acme_site, watch);
    struct ipc_message message;
    int answer = 0;

    (void)events;
    int r = ipc_receive(watch->fd, &message);
    if (r == -EAGAIN)
        return;
    if (r > 0 && obey(site, &message, &answer))
        r = ipc_say(watch->fd, IPC_DONE, (uint64_t)(answer < 0 ? -answer : 0), SPAN("")) < 0 ? -1
                                                                                             : 1;
    if (r > 0) {
        ipc_finish(&message);
        return;
    }
    loop_remove(site->guardian->loop, watch); /* its end follows */
    if (r < 0 && site->pid)
        kill(site->pid, SIGKILL);
}

/* ---- ends ---- */

static void end_process(struct acme_site *site)
{
    struct guardian *g = site->guardian;

    if (site->watch.fd >= 0) {
        loop_remove(g->loop, &site->watch);
        close(site->watch.fd);
        site->watch.fd = -1;
    }
    site->pid = 0;
    g->acme.running--;
    release_keys(site);
}

bool acme_on_exit(struct guardian *g, pid_t pid, int status)
{
    list_for_each (site, spare, &g->acme.sites, struct acme_site, link) {
        if (site->pid != pid)
            continue;
        if (!site->concluded) /* the last message may not have been read yet */
            on_message(&site->watch, LOOP_READABLE);
        if (site->concluded || site->job != ACME_JOB_ORDER) /* else the order goes on */
            acme_tokens_withdraw(g, site);
        if (!site->concluded && g->phase == PHASE_SERVING)
            fail_crashed(site,
                         WIFSIGNALED(status) ? "its process was ended" : "its process failed");
        if (site->job == ACME_JOB_WINDOW)
            site->window_at = nsec_monotonic() + WINDOW_PERIOD;
        end_process(site);
        arm_due(site);
        close_store(site);
        return true;
    }
    return false;
}

static void site_destroy(struct acme_site *site)
{
    loop_timer_cancel(site->guardian->loop, &site->timer);
    if (site->pid) {
        kill(site->pid, SIGKILL);
        waitpid(site->pid, NULL, 0);
        end_process(site);
    }
    acme_tokens_withdraw(site->guardian, site);
    release_keys(site);
    close_store(site);
    list_remove(&site->link);
    for (size_t i = 0; i < site->name_count; i++)
        free(site->names[i]);
    free(site->names);
    acme_record_finish(&site->record);
    free(site->id);
    free(site->outcome);
    free(site->name);
    free(site);
}

void acme_stop(struct guardian *g)
{
    list_for_each (site, spare, &g->acme.sites, struct acme_site, link)
        site_destroy(site);
}

void acme_site_ask(struct acme_site *site, enum acme_job job)
{
    site->asked = true;
    site->asked_job = job;
    if (!site->pid && !site->account)
        arm(site, 0);
}

/* ---- following the settings ---- */

void acme_init(struct guardian *g)
{
    list_init(&g->acme.sites);
    list_init(&g->acme.tokens);
}

struct acme_site *acme_site_find(struct guardian *g, const char *name)
{
    list_for_each (site, spare, &g->acme.sites, struct acme_site, link)
        if (strcmp(site->name, name) == 0)
            return site;
    return NULL;
}

static struct acme_site *make(struct guardian *g, const char *name)
{
    struct acme_site *site = mem_new(struct acme_site);

    site->guardian = g;
    site->name = mem_string(span_str(name));
    site->ca_fd = site->order_fd = site->watch.fd = -1;
    site->timer.on_timeout = on_timer;
    site->step = -1;
    list_append(&g->acme.sites, &site->link);
    if (open_store(site) >= 0 && acme_store_record(site->order_fd, &site->record) < 0)
        site->record = (struct acme_record){0};
    if (site->record.order_url && site->record.token &&
        acme_token_set(g, site, span_str(site->record.token), true) < 0)
        free(take(site->record.token)); /* damaged: the process publishes it again */
    return site;
}

static void take_names(struct acme_site *site, const struct settings_site *from)
{
    for (size_t i = 0; i < site->name_count; i++)
        free(site->names[i]);
    free(site->names);
    site->name_count = from->names.count;
    site->names = mem_alloc(from->names.count * sizeof *site->names);
    for (size_t i = 0; i < from->names.count; i++)
        site->names[i] = mem_string(span_str(from->names.items[i]));
}

void acme_follow(struct guardian *g)
{
    const struct prepared *prepared = &g->live->prepared;

    list_for_each (site, spare, &g->acme.sites, struct acme_site, link)
        site->named = false;
    for (size_t i = 0; i < prepared->site_count; i++) {
        const struct prepared_acme *acme = &prepared->sites[i].acme;
        const struct settings_site *from = &settings_sites(prepared->settings)[i];
        if (!acme->wanted)
            continue;
        struct acme_site *site = acme_site_find(g, from->names.items[0]);
        if (!site)
            site = make(g, from->names.items[0]);
        site->named = true;
        if (site->pid)
            continue; /* goes on with the names that it began with */
        take_names(site, from);
        site->life.not_before = acme->not_before;
        site->life.not_after = acme->not_after;
        free(site->id);
        site->id = acme->id ? mem_string(span_str(acme->id)) : NULL;
        if (!site->account)
            arm_due(site);
        close_store(site);
    }
    list_for_each (site, spare, &g->acme.sites, struct acme_site, link)
        if (!site->named)
            site_destroy(site);
}
