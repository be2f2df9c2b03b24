/* The process that gets one certificate from an ACME server. It meets a stranger's JSON, PEM and
 * HTTP, so it holds no key; each step that must survive it is kept by the guardian before the next
 * one begins. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "app/acme.h"
#include "app/ipc.h"
#include "app/process_functions.h"
#include "base/base64.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "tls/tls.h"

#define ORDER_TIME (600 * NSEC_PER_SEC)

enum { FILE_BYTES_MAX = 1 << 20 };

struct job {
    const struct process_start *start;
    const struct acme_question *question;
    struct acme_client *client;
    struct keys_remote *keys;
    char *ca_pem;    /* certificates to trust; NULL: the system's */
    char *chain_pem; /* to revoke; NULL: none */
    int chain_fd;    /* for the certificate: the sandbox lets it make no file */
};

/* ---- what the guardian is asked ---- */

/** Sends one message and waits until it is done. @return 0, or an error */
static int ask(const struct job *job, enum ipc_kind kind, uint64_t value, struct span text)
{
    struct ipc_message answer;

    int r = ipc_say(job->start->guardian, kind, value, text);
    if (r < 0)
        return r;
    r = ipc_receive(job->start->guardian, &answer);
    if (r <= 0)
        return r == 0 ? ERR_CLOSED : r;
    r = answer.kind == IPC_DONE ? -(int)answer.value : ERR_PROTOCOL;
    ipc_finish(&answer);
    return r;
}

static int save_order(void *owner, const char *url)
{
    return ask(owner, IPC_ACME_ORDER, 0, span_str(url));
}

static void forget_order(void *owner)
{
    int r = ask(owner, IPC_ACME_ORDER, 0, SPAN(""));

    (void)r; /* an order that stays known is found to be of no use the next time */
}

static int publish(void *owner, const struct acme_token *token)
{
    scoped(mem_release) char *text = mem_format("%s\n%s", token->token, token->authorization);

    return ask(owner, IPC_ACME_PUBLISH, 1, span_str(text));
}

static void withdraw(void *owner, const struct acme_token *token)
{
    int r = ask(owner, IPC_ACME_PUBLISH, 0, span_str(token->token));

    (void)r; /* the guardian withdraws all when this process ends */
}

static void progress(void *owner, enum acme_step step, const char *name)
{
    const struct job *job = owner;
    int r = ipc_say(job->start->guardian, IPC_ACME_STEP, (uint64_t)step, span_str(name));

    (void)r; /* for people only */
}

static int pause_for(void *owner, nsec_t time)
{
    struct timespec rest = {time / NSEC_PER_SEC, time % NSEC_PER_SEC};

    (void)owner;
    while (nanosleep(&rest, &rest) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static const struct acme_order_ops order_ops = {
    .save_order = save_order,
    .forget_order = forget_order,
    .publish = publish,
    .withdraw = withdraw,
    .progress = progress,
    .pause = pause_for,
};

/* ---- the look before an order ---- */

/** Makes a token of our own. */
static int make_token(char out[ACME_TOKEN_MAX])
{
    char bytes[32];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return -EIO;
    out[base64url_encode(span_of(bytes, sizeof bytes), out)] = '\0';
    return 0;
}

static int judge_reach(const struct job *job, const char *name,
                       const struct acme_reach_result *result, struct acme_failure *failure)
{
    switch (result->worst) {
    case ACME_REACHED:
        return 0;
    case ACME_NO_NAME:
        acme_fail(failure, ERR_NOT_FOUND,
                  "nothing was ordered: the name %s has no address (%s); add an A or AAAA record "
                  "for this machine",
                  name, result->reason);
        return ERR_NOT_FOUND;
    case ACME_OTHER_SERVER:
        acme_fail(failure, ERR_PROTOCOL,
                  "nothing was ordered: http://%s at %s does not lead here, %s; correct the DNS "
                  "records, or forward port 80 of that address to this machine",
                  name, result->place, result->reason);
        return ERR_PROTOCOL;
    case ACME_UNREACHED:
        break;
    }
    if (result->ours) {
        acme_fail(
            failure, ERR_CLOSED,
            "nothing was ordered: port 80 of %s, an address of this machine and of %s, cannot "
            "be reached: %s; try: gardien why 80",
            result->place, name, result->reason);
        return ERR_CLOSED;
    }
    process_note(job->start, LOG_WARNING,
                 "%s at %s cannot be reached from here (%s), which may be the router's doing; "
                 "ordering all the same",
                 name, result->place, result->reason);
    return 0;
}

/** Does each name lead here? @return 0, or an error with a failure */
static int look(struct job *job, struct acme_failure *failure)
{
    const struct acme_question *question = job->question;
    char token[ACME_TOKEN_MAX];

    if (!question->check_port)
        return 0;
    int r = make_token(token);
    scoped(mem_release) char *text =
        mem_format("%s.%s", token, acme_client_thumbprint(job->client));
    const struct acme_token ours = {.token = token, .authorization = text};
    if (r == 0)
        r = publish(job, &ours);
    if (r < 0) {
        acme_fail(failure, r, "the test before the order cannot be made: %s", error_text(r));
        return r;
    }
    for (size_t i = 0; r == 0 && i < question->name_count; i++) {
        struct acme_reach_result result;
        acme_reach(question->names[i], question->check_port, token, text, &result);
        r = judge_reach(job, question->names[i], &result, failure);
    }
    withdraw(job, &ours);
    return r;
}

/* ---- the job ---- */

/** Reads a file with the rights of the guardian. @return text for free(), or NULL with a failure */
static char *read_file(const char *what, const char *path, struct acme_failure *failure)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = mem_alloc(FILE_BYTES_MAX);
    ssize_t len = fd < 0 ? -1 : read(fd, text, FILE_BYTES_MAX - 1);

    if (len <= 0)
        acme_fail(failure, ERR_SETTINGS, "%s %s cannot be read: %s", what, path,
                  len < 0 ? error_text(-errno) : "it is empty");
    else
        text[len] = '\0';
    if (fd >= 0)
        close(fd);
    if (len <= 0)
        free(take(text));
    return text;
}

static int read_files(struct job *job, struct acme_failure *failure)
{
    const struct acme_question *question = job->question;

    if (question->ca_file)
        job->ca_pem = read_file("acme.ca_file", question->ca_file, failure);
    if (question->job == ACME_JOB_REVOKE)
        job->chain_pem = read_file("the certificate", question->chain_path, failure);
    return failure->error;
}

static int meet_server(struct job *job, struct acme_failure *failure)
{
    const struct acme_question *question = job->question;
    const struct acme_client_config config = {
        .directory = question->directory,
        .ca_pem = span_str(job->ca_pem ? job->ca_pem : ""),
        .user_agent = "gardien/" GARDIEN_VERSION,
        .keys = job->keys,
        .account_key = question->account_key,
        .eab_secret = question->eab_secret,
        .eab_kid = question->eab_kid,
    };
    char *url = NULL;

    progress(job, ACME_STEP_ACCOUNT, question->directory);
    int r = acme_client_create(&config, failure, &job->client);
    if (r < 0)
        return r;
    r = acme_client_account(job->client, question->account_url, question->email, failure, &url);
    if (r == 0 && !question->account_url) {
        r = ask(job, IPC_ACME_ACCOUNT, 0, span_str(url));
        if (r < 0)
            acme_fail(failure, r, "the account cannot be kept: %s", error_text(r));
    }
    free(url);
    return r;
}

static int order(struct job *job, struct acme_failure *failure, char **ret_chain)
{
    const struct acme_question *question = job->question;
    const struct acme_order_request request = {
        .client = job->client,
        .keys = job->keys,
        .certificate_key = question->certificate_key,
        .names = question->names,
        .name_count = question->name_count,
        .challenge_types = 1u << ACME_HTTP_01,
        .profile = question->profile,
        .replaces = question->replaces,
        .order_url = question->order_url,
        .ops = &order_ops,
        .owner = job,
        .deadline = nsec_monotonic() + ORDER_TIME,
    };

    return acme_order_run(&request, failure, ret_chain);
}

/** Looks when the certificate in use should be renewed; what goes wrong is no failure. */
static void tell_window(struct job *job)
{
    const struct acme_directory *directory = acme_client_directory(job->client);
    const char *id = job->question->replaces;
    struct acme_renewal_info info = {0};
    struct acme_answer answer = {0};
    struct acme_failure failure;

    if (!directory->renewal_info || !id)
        return;
    scoped(mem_release) char *url = mem_format("%s/%s", directory->renewal_info, id);
    if (acme_client_get(job->client, url, &failure, &answer) < 0)
        return;
    if (acme_renewal_info_read(buffer_span(&answer.body), &info) == 0) {
        scoped(mem_release) char *text =
            mem_format("%lld %lld", (long long)info.start, (long long)info.end);
        int r = ask(job, IPC_ACME_WINDOW, 0, span_str(text));
        (void)r; /* the next look tells it again */
    }
    acme_renewal_info_finish(&info);
    acme_answer_finish(&answer);
}

static int run(struct job *job, struct acme_failure *failure, char **ret_chain)
{
    int r = meet_server(job, failure);

    if (r < 0)
        return r;
    switch (job->question->job) {
    case ACME_JOB_WINDOW:
        tell_window(job);
        return 0;
    case ACME_JOB_REVOKE:
        return acme_client_revoke(job->client, span_str(job->chain_pem), job->question->reason,
                                  failure);
    case ACME_JOB_TRY:
        return look(job, failure);
    case ACME_JOB_ORDER:
        break;
    }
    r = job->question->order_url ? 0 : look(job, failure);
    return r < 0 ? r : order(job, failure, ret_chain);
}

/** "NOT-BEFORE NOT-AFTER ID" of a certificate, for the guardian. */
static void write_life(const char *chain_pem, struct ipc_message *message)
{
    struct cert_chain chain = {NULL};
    scoped(mem_release) char *id = acme_certificate_id(span_str(chain_pem));

    if (cert_chain_parse(span_str(chain_pem), &chain) < 0)
        return;
    message->text_len = (size_t)snprintf(message->text, sizeof message->text, "%lld %lld %s",
                                         (long long)chain.items[0].not_before,
                                         (long long)chain.items[0].not_after, id ? id : "");
    cert_chain_finish(&chain);
}

static void report(const struct job *job, int r, const struct acme_failure *failure,
                   const char *chain)
{
    struct ipc_message message = {.kind = IPC_ACME_RESULT};

    if (r == 0 && chain && write(job->chain_fd, chain, strlen(chain)) == (ssize_t)strlen(chain)) {
        message.fds[message.fd_count++] = job->chain_fd;
        write_life(chain, &message);
    }
    if (r < 0) {
        message.value = (uint64_t)failure->retry_after;
        message.text_len = (size_t)snprintf(message.text, sizeof message.text, "%s", failure->text);
    }
    r = ipc_send(job->start->guardian, &message);
    (void)r; /* a guardian that is gone starts the order again */
}

int acme_process_run(const struct process_start *start)
{
    struct job job = {.start = start, .question = start->question};
    struct acme_failure failure = {0};
    char *chain = NULL;

    job.chain_fd = memfd_create("certificate", MFD_CLOEXEC);
    int r = job.chain_fd < 0 ? -errno : read_files(&job, &failure);
    if (process_confine(start, NULL, 0) < 0)
        return PROCESS_UNCONFINED;
    if (r == 0)
        r = keys_remote_create(start->others[PROCESS_KEYS], &job.keys);
    if (r == 0)
        r = run(&job, &failure, &chain);
    if (r < 0 && !failure.text[0])
        acme_fail(&failure, r, "the order cannot be prepared: %s", error_text(r));
    report(&job, r, &failure, chain);
    free(chain);
    acme_client_destroy(job.client);
    keys_remote_destroy(job.keys);
    free(job.ca_pem);
    free(job.chain_pem);
    return 0;
}
