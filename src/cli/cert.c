/* `gardien cert`: show, trust, untrust; the other words have files of their own (cert.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "cli/cert.h"
#include "os/clock.h"
#include "os/shell.h"
#include "os/state.h"
#include "report/printer.h"

static const struct option cert_options[] = {
    OPTION_STATE,
    OPTION_CONFIG,
    OPTION_JSON,
    {"no-system", NULL, false, "trust, untrust: leave the system's store alone"},
    {"dry-run", NULL, false, "issue, renew: try all that comes before an order, and order nothing"},
    {"reason", "WORD", false,
     "revoke: unspecified, keyCompromise, affiliationChanged, superseded or cessationOfOperation"},
    OPTION_END,
};

/* ---- which state folder ---- */

/* With sudo root's own folder is the default, but what the caller serves with is meant, as long as
 * root has no local CA itself. */
static char *state_of_sudo_user(void)
{
    const char *user = getenv("SUDO_USER");
    const struct passwd *account = geteuid() == 0 && user ? getpwnam(user) : NULL;

    if (!account || access("/var/lib/gardien/local-ca/ca.pem", F_OK) == 0)
        return NULL;
    char *state = mem_format("%s/.local/state/gardien", account->pw_dir);
    scoped(mem_release) char *ca = mem_format("%s/local-ca/ca.pem", state);
    if (access(ca, F_OK) == 0)
        return state;
    free(state);
    return NULL;
}

static char *choose_state(const struct arguments *arguments)
{
    if (!arguments_get(arguments, "state") && !arguments_get(arguments, "config")) {
        char *state = state_of_sudo_user();
        if (state)
            return state;
    }
    return state_of(arguments);
}

/* ---- show ---- */

static json_t *info_json(const struct cert_info *info)
{
    char from[CERT_DATE_TEXT], until[CERT_DATE_TEXT], print[CERT_FINGERPRINT_TEXT];
    json_t *names = json_array();

    for (size_t i = 0; i < info->name_count; i++)
        json_array_append_new(names, json_string(info->names[i]));
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s}", "subject", info->subject, "issuer",
                     info->issuer, "names", names, "key", info->key_text, "not_before",
                     cert_date_text(info->not_before, from), "not_after",
                     cert_date_text(info->not_after, until), "serial", info->serial, "sha256",
                     cert_fingerprint_text(info, print));
}

static void print_info(const struct cert_info *info)
{
    const struct printer printer = {.out = stdout};
    char from[CERT_DATE_TEXT], until[CERT_DATE_TEXT], print[CERT_FINGERPRINT_TEXT];

    fputs("  ", stdout);
    printer_foreign(&printer, span_str(info->subject[0] ? info->subject : "(no subject)"));
    for (size_t i = 0; i < info->name_count && !info->names_from_common_name; i++) {
        fputs(i ? ", " : "\n    names    ", stdout);
        printer_foreign(&printer, span_str(info->names[i]));
    }
    printf("\n    key      %s\n    valid    %s to %s%s\n    issuer   ", info->key_text,
           cert_date_text(info->not_before, from), cert_date_text(info->not_after, until),
           info->not_after < nsec_realtime() ? " (expired)" : "");
    printer_foreign(&printer, span_str(info->issuer));
    printf("\n    sha256   %s\n", cert_fingerprint_text(info, print));
}

/* @return APP_OK, or APP_FAILED with what is wrong printed */
static int show_file(const char *path, json_t *list)
{
    struct diags diags = {0};
    struct cert_chain chain = {NULL};

    int r = cert_chain_load(path, &diags, &chain);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    if (r < 0)
        return APP_FAILED;
    json_t *certificates = json_array();
    if (!list)
        print_escaped(stdout, "%s\n", path);
    for (size_t i = 0; i < chain.count; i++) {
        json_array_append_new(certificates, info_json(&chain.items[i]));
        if (!list)
            print_info(&chain.items[i]);
    }
    if (list)
        json_array_append_new(list,
                              json_pack("{s:s, s:O}", "file", path, "certificates", certificates));
    json_decref(certificates);
    cert_chain_finish(&chain);
    return APP_OK;
}

static int show_state(const char *state, json_t *list)
{
    scoped(mem_release) char *ca = mem_format("%s/local-ca/ca.pem", state);
    scoped(mem_release) char *folder = mem_format("%s/local", state);
    int code = APP_OK;

    if (access(ca, F_OK) < 0) {
        print_error("it is made by the first `gardien serve`, or by `gardien cert trust`",
                    "there is no local CA in %s", state);
        return APP_FAILED;
    }
    code = show_file(ca, list);
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        scoped(mem_release) char *path = mem_format("%s/%s/chain.pem", folder, e->d_name);
        if (e->d_name[0] != '.' && access(path, F_OK) == 0 && show_file(path, list) != APP_OK)
            code = APP_FAILED;
    }
    if (dir)
        closedir(dir);
    return code;
}

static bool gardien_runs(const struct arguments *arguments)
{
    scoped(mem_release) char *state = state_of(arguments);
    scoped(mem_release) char *control = state ? mem_format("%s/control.sock", state) : NULL;

    return control && access(control, F_OK) == 0;
}

/* A word is a file's path or the name of a site that the running gardien serves. */
static int show_word(const struct arguments *arguments, const char *word, json_t *list)
{
    json_t *paths = NULL;

    if (strchr(word, '/') || access(word, F_OK) == 0 || !gardien_runs(arguments))
        return show_file(word, list);
    int code = cert_site_chains(arguments, word, &paths);
    for (size_t i = 0; code == APP_OK && i < json_array_size(paths); i++)
        code = show_file(json_string_value(json_array_get(paths, i)), list);
    json_decref(paths);
    return code;
}

static int show(const struct arguments *arguments)
{
    json_t *list = arguments_get(arguments, "json") ? json_array() : NULL;
    int code = APP_OK;

    for (size_t i = 1; i < arguments->word_count; i++)
        if (show_word(arguments, arguments->words[i], list) != APP_OK)
            code = APP_FAILED;
    if (arguments->word_count == 1) {
        scoped(mem_release) char *state = choose_state(arguments);
        code = state ? show_state(state, list) : APP_USAGE;
    }
    if (list)
        print_json(list);
    return code;
}

/* ---- trust ---- */

static const char *outcome_name(enum cert_trust_outcome outcome)
{
    static const char *const names[] = {[CERT_TRUST_DONE] = "done",
                                        [CERT_TRUST_ALREADY] = "already",
                                        [CERT_TRUST_FAILED] = "failed",
                                        [CERT_TRUST_SKIPPED] = "skipped",
                                        [CERT_TRUST_DENIED] = "denied"};
    return names[outcome];
}

static void print_report(const struct cert_trust_report *report, bool json)
{
    json_t *list = json_array();

    for (size_t i = 0; i < report->count; i++) {
        const struct cert_trust_step *step = &report->steps[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s?, s:s, s:s, s:s?}", "store", step->store, "path",
                                        step->path, "outcome", outcome_name(step->outcome),
                                        "sentence", step->sentence, "hint", step->hint));
        if (json)
            continue;
        print_escaped(stdout, "%s: %s\n", step->store, step->sentence);
        if (step->hint)
            print_escaped(stdout, "  -> %s\n", step->hint);
    }
    if (json)
        print_json(json_incref(list));
    json_decref(list);
}

/* A folder that was named and is not there is rather a slip of the finger than a request for
 * another CA that browsers shall believe. */
static bool is_there(const struct arguments *arguments, const char *state)
{
    char hint[512];

    if (access(state, F_OK) == 0 || errno != ENOENT ||
        (!arguments_get(arguments, "state") && !arguments_get(arguments, "config")))
        return true;
    snprintf(hint, sizeof hint,
             "is it spelt right? The first `gardien serve` makes it; for a local CA before that: "
             "mkdir -p -m 700 %s",
             state);
    print_error(hint, "there is no state folder %s, so no local CA to trust", state);
    return false;
}

/* Root may be asked to trust the CA of somebody who serves without being root: its certificate is
 * read, and nothing is made in a folder of theirs. The folder must be closed to third ones, who
 * could put another CA there. @return a descriptor; -ENOENT when it is not a folder of somebody
 * else's; another -errno with a diag */
static int open_of_owner(const char *state, struct diags *diags)
{
    struct stat st, ca;
    int fd = geteuid() == 0 ? open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid == 0) {
        if (fd >= 0)
            close(fd);
        return -ENOENT;
    }
    const struct passwd *owner = getpwuid(st.st_uid);
    if (fstatat(fd, "local-ca/ca.pem", &ca, AT_SYMLINK_NOFOLLOW) < 0)
        diag_hint(diags_add(diags, "there is no local CA in %s yet", state),
                  "run gardien cert trust as %s first", owner ? owner->pw_name : "its owner");
    else if ((st.st_mode & 022) || !S_ISREG(ca.st_mode) || ca.st_uid != st.st_uid)
        diag_hint(diags_add(diags, "others than %s may have put the local CA into %s",
                            owner ? owner->pw_name : "its owner", state),
                  "look at it, then: chmod go-w %s", state);
    else
        return fd;
    close(fd);
    return -EPERM;
}

/* Our own folder, with a CA made if it is to be. @return a descriptor, or -errno with a diag */
static int open_own(const char *state, bool make, struct diags *diags)
{
    struct cert_local local = {0};
    int fd = make || access(state, F_OK) == 0 ? state_open(state, diags) : -ENOENT;
    struct cert_local_request request = {.state_fd = fd,
                                         .state_path = state,
                                         .now = nsec_realtime(),
                                         .clock_right = clock_is_synchronised()};

    if (fd < 0 || !make)
        return fd;
    int r = cert_local_ca_ensure(&request, diags, &local);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (local.ca != CERT_LOCAL_KEPT)
        fprintf(stderr, "made a local CA in %s\n", state);
    cert_local_finish(&local);
    return fd;
}

/* @return the CA's text for free(), or NULL with what is wrong printed */
static char *read_ca(const char *state, bool make)
{
    struct diags diags = {0};
    char *pem = NULL;
    int fd = open_of_owner(state, &diags);

    if (fd == -ENOENT)
        fd = open_own(state, make, &diags);
    int r = fd < 0 ? fd : cert_local_ca_read(fd, &pem);
    if (r < 0 && diags.errors == 0)
        diags_add(&diags, "there is no local CA in %s", state);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    if (fd >= 0)
        close(fd);
    return pem;
}

/* The line that works when it is pasted, from any folder, whatever PATH root has. */
static char *line_for_root(const char *state, bool trust)
{
    scoped(mem_release) char *path = absolute_path(state);
    scoped(mem_release) char *word = shell_word(path);
    scoped(mem_release) char *program = shell_program(true);
    scoped(mem_release) char *line =
        mem_format("%s cert %s --state %s", program, trust ? "trust" : "untrust", word);

    return shell_as_root(line);
}

static int change_trust(const struct arguments *arguments, bool trust)
{
    scoped(mem_release) char *state = choose_state(arguments);
    bool usable = state && (!trust || is_there(arguments, state));
    scoped(mem_release) char *pem = usable ? read_ca(state, trust) : NULL;
    struct cert_trust_options options = {.ca_pem = span_str(pem), .system_root = ""};
    struct cert_trust_person *people = NULL;
    struct cert_trust_report report;

    if (!pem)
        return APP_FAILED;
    options.skip_system = arguments_get(arguments, "no-system") != NULL;
    options.person_count = cert_trust_people(getenv("SUDO_USER"), &people);
    options.people = people;
    scoped(mem_release) char *as_root = line_for_root(state, trust);
    options.as_root = as_root;
    int r = trust ? cert_trust(&options, &report) : cert_untrust(&options, &report);
    cert_trust_people_free(people, options.person_count);
    if (r < 0) {
        print_error(NULL, "the local CA in %s cannot be read", state);
        return APP_FAILED;
    }
    print_report(&report, arguments_get(arguments, "json") != NULL);
    if (report.denied)
        print_error("run the line above, or leave that store alone with --no-system",
                    "done in part: the system's store is as it was, for lack of rights");
    int code = report.failed || report.denied ? APP_FAILED : APP_OK;
    cert_trust_report_finish(&report);
    return code;
}

static int make_local(const struct arguments *arguments)
{
    scoped(mem_release) char *state = choose_state(arguments);

    if (arguments->word_count == 1) {
        print_error("gardien cert local mail.internal 10.0.0.7",
                    "`gardien cert local` needs the names that the certificate is for");
        return APP_USAGE;
    }
    return state ? cert_local(arguments, state) : APP_USAGE;
}

static int cert_run(const struct arguments *arguments)
{
    static const char *const words[] = {"list",   "show",  "issue", "renew",
                                        "revoke", "local", "trust", "untrust"};
    const char *word = arguments->word_count ? arguments->words[0] : "";
    char hint[128];

    if (strcmp(word, "show") == 0)
        return show(arguments);
    if (strcmp(word, "list") == 0)
        return cert_list(arguments);
    if (strcmp(word, "local") == 0)
        return make_local(arguments);
    if (strcmp(word, "issue") == 0 || strcmp(word, "renew") == 0 || strcmp(word, "revoke") == 0)
        return cert_order(arguments, word);
    bool trust_or_not = strcmp(word, "trust") == 0 || strcmp(word, "untrust") == 0;
    if (trust_or_not && arguments->word_count > 1) {
        print_error("gardien help cert", "`gardien cert %s` does not know what to do with \"%s\"",
                    word, arguments->words[1]);
        return APP_USAGE;
    }
    if (trust_or_not)
        return change_trust(arguments, strcmp(word, "trust") == 0);
    const char *nearest = config_nearest(word, words, ARRAY_SIZE(words));
    snprintf(hint, sizeof hint, "did you mean `gardien cert %s`?", nearest ? nearest : "show");
    if (*word)
        print_error(hint, "`gardien cert` knows no \"%s\"", word);
    else
        print_error("gardien cert list, show, issue, renew, revoke, local, trust or untrust",
                    "`gardien cert` needs to know what to do");
    return APP_USAGE;
}

const struct verb cert_verb = {
    "cert",
    cert_run,
    "list, show, order, renew and revoke certificates; trust the local CA",
    "list [NAME...] | show [FILE|NAME...] | issue NAME... | renew [NAME...] | revoke NAME... | "
    "local NAME... | trust | "
    "untrust",
    "list     where each site's certificate is from, how many days it has left, when it is\n"
    "         renewed, and why the last order failed\n"
    "issue    has a certificate ordered now for the sites of these names, by the running gardien,\n"
    "         and says how far it is\n"
    "renew    the same; without names for the sites whose last order failed\n"
    "revoke   has the certificate in use revoked, and another one with a new key ordered\n"
    "local    makes a certificate of the local CA for other servers, or renews it when that is "
    "due\n"
    "show     prints the certificates in files or of sites, or those of the local CA\n"
    "trust    adds the local CA to the system's store and to those of Chromium and Firefox;\n"
    "         fails when only the system's store could not be changed, unless with --no-system\n"
    "untrust  takes it out again",
    "gardien cert list\ngardien cert issue www.example.com\ngardien cert trust\ngardien cert "
    "show\ngardien cert show fullchain.pem\n",
    cert_options,
    SIZE_MAX,
    .words = "list show issue renew revoke local trust untrust FILE"};
