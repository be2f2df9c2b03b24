/* Goes through the stores that a machine has and keeps the report. */
#include "cert/trust.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "cert/trust_work.h"
#include "os/command.h"

enum { COMMAND_ARGUMENTS_MAX = 24, PREFIX_ARGUMENTS = 5, QUOTE_MAX = 200 };

static const nsec_t TIMEOUT = 60 * NSEC_PER_SEC;

static printf_like(1, 0) char *format_text(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

struct cert_trust_step *trust_step(struct trust_work *work, const char *store, const char *path,
                                   enum cert_trust_outcome outcome, const char *sentence, ...)
{
    struct cert_trust_report *report = work->report;
    va_list args;

    report->steps = mem_resize(report->steps, report->count + 1, sizeof *report->steps);
    struct cert_trust_step *step = &report->steps[report->count++];
    *step = (struct cert_trust_step){.store = store, .outcome = outcome};
    step->path = path ? mem_string(span_str(path)) : NULL;
    va_start(args, sentence);
    step->sentence = format_text(sentence, args);
    va_end(args);
    report->failed += outcome == CERT_TRUST_FAILED;
    report->denied += outcome == CERT_TRUST_DENIED;
    return step;
}

void trust_hint(struct cert_trust_step *step, const char *hint, ...)
{
    va_list args;

    free(step->hint);
    va_start(args, hint);
    step->hint = format_text(hint, args);
    va_end(args);
}

/* Puts what switches to the person in front of the command. */
static size_t start_as(const struct cert_trust_person *person, char *texts[2], const char **argv)
{
    if (!person || person->uid == geteuid())
        return 0;
    texts[0] = mem_format("--reuid=%lu", (unsigned long)person->uid);
    texts[1] = mem_format("--regid=%lu", (unsigned long)person->gid);
    argv[0] = "setpriv";
    argv[1] = texts[0];
    argv[2] = texts[1];
    argv[3] = "--clear-groups";
    argv[4] = "--";
    return PREFIX_ARGUMENTS;
}

int trust_run(const struct trust_work *work, const struct cert_trust_person *person,
              const char *const *argv, struct span input, struct buffer *ret_output)
{
    const char *all[COMMAND_ARGUMENTS_MAX] = {NULL};
    char *texts[2] = {NULL, NULL};
    const char *path = getenv("PATH");
    scoped(mem_release) char *path_variable =
        mem_format("PATH=%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
    scoped(mem_release) char *home = mem_format("HOME=%s", person ? person->home : "/root");
    const char *env[] = {path_variable, home, "LC_ALL=C", NULL};
    nsec_t timeout = work->options->timeout ? work->options->timeout : TIMEOUT;
    struct command command = {.argv = all, .env = env, .input = input, .timeout = timeout};
    struct command_result result;
    size_t count = start_as(person, texts, all);

    for (size_t i = 0; argv[i] && count + 1 < ARRAY_SIZE(all); i++)
        all[count++] = argv[i];
    int r = command_run(&command, &result);
    free(texts[0]);
    free(texts[1]);
    if (r < 0)
        return r;
    *ret_output = result.output;
    return result.exit_code;
}

bool trust_do(struct trust_work *work, const struct trust_store *store, const char *const *argv,
              struct span input)
{
    struct buffer output;
    struct span said;
    char quoted[QUOTE_MAX] = "nothing";
    int r = trust_run(work, store->person, argv, input, &output);

    if (r < 0) {
        trust_step(work, store->name, store->path, CERT_TRUST_FAILED, "%s could not be run: %s",
                   argv[0], error_text(r));
        return false;
    }
    struct span rest = buffer_span(&output);
    if (r != 0 && rest.len && span_next(&rest, '\n', &said))
        log_quoted(quoted, sizeof quoted, said);
    buffer_finish(&output);
    if (r != 0)
        trust_step(work, store->name, store->path, CERT_TRUST_FAILED,
                   "%s failed with code %d and said %s", argv[0], r, quoted);
    return r == 0;
}

int trust_find(const struct trust_work *work, X509 *cert)
{
    for (int i = 0; i < work->count; i++)
        if (X509_cmp(work->certs[i], cert) == 0)
            return i;
    return -1;
}

static int change(const struct cert_trust_options *options, bool adding,
                  struct cert_trust_report *ret_report)
{
    struct cert_trust_report report = {0};
    struct trust_work work = {.options = options, .adding = adding, .report = &report};
    int count = x509_parse(options->ca_pem, work.certs);

    if (count < 0)
        return ERR_SYNTAX;
    work.count = count;
    if (!options->skip_system)
        trust_system(&work);
    for (size_t i = 0; i < options->person_count; i++)
        trust_browsers(&work, &options->people[i]);
    x509_free_all(work.certs, count);
    *ret_report = report;
    return 0;
}

int cert_trust(const struct cert_trust_options *options, struct cert_trust_report *ret_report)
{
    return change(options, true, ret_report);
}

int cert_untrust(const struct cert_trust_options *options, struct cert_trust_report *ret_report)
{
    return change(options, false, ret_report);
}

bool cert_trust_is_known(struct span ca_pem)
{
    X509 *certs[CERT_CHAIN_MAX];
    int count = x509_parse(ca_pem, certs);

    if (count < 0)
        return false;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool known = store && context && X509_STORE_set_default_paths(store) == 1 &&
                 X509_STORE_CTX_init(context, store, certs[0], NULL) == 1;
    STACK_OF(X509) *found =
        known ? X509_STORE_CTX_get1_certs(context, X509_get_subject_name(certs[0])) : NULL;

    known = false;
    for (int i = 0; found && i < sk_X509_num(found); i++)
        known |= X509_cmp(sk_X509_value(found, i), certs[0]) == 0;
    sk_X509_pop_free(found, X509_free);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    x509_free_all(certs, count);
    ERR_clear_error();
    return known;
}

void cert_trust_report_finish(struct cert_trust_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->steps[i].path);
        free(report->steps[i].sentence);
        free(report->steps[i].hint);
    }
    free(report->steps);
    *report = (struct cert_trust_report){0};
}

static void add_person(struct cert_trust_person *people, size_t *count, const struct passwd *user,
                       const char *home)
{
    people[(*count)++] = (struct cert_trust_person){.home = mem_string(span_str(home)),
                                                    .uid = user->pw_uid,
                                                    .gid = user->pw_gid,
                                                    .create = true};
}

size_t cert_trust_people(const char *sudo_user, struct cert_trust_person **ret_people)
{
    struct cert_trust_person *people = mem_resize(NULL, 2, sizeof *people);
    bool sudo = sudo_user && *sudo_user && geteuid() == 0;
    size_t count = 0;
    const struct passwd *user = getpwuid(geteuid());

    if (user) {
        const char *home = getenv("HOME"); /* under sudo it may still be the other person's */
        add_person(people, &count, user, home && *home && !sudo ? home : user->pw_dir);
    }
    user = sudo ? getpwnam(sudo_user) : NULL;
    if (user && user->pw_uid != 0) {
        if (count > 0)
            people[0].create = false;
        add_person(people, &count, user, user->pw_dir);
    }
    *ret_people = people;
    return count;
}

void cert_trust_people_free(struct cert_trust_person *people, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(people[i].home);
    free(people);
}
