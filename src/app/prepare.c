/* Settings and certificates, looked at in a process of its own that ends right after, so that no
 * lasting process has a private key in its memory but the one made for it. */
#include "app/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/diag_json.h"
#include "app/guarded.h"
#include "app/process_functions.h"
#include "base/base64.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/state.h"

enum { RESULT_MAX = 64 << 20, WAF_MAX = 32 << 20 };

/* ---- checks ---- */

/* What is wrong with a pair of files is told where the settings name them. */
static void place_findings(const struct config_tree *tree, const char *path,
                           const struct diags *found, struct diags *diags)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct diag *finding = &found->items[i];
        struct diag *diag = config_complain(tree, diags, path, "%s", finding->sentence);
        if (finding->hint)
            diag_hint(diag, "%s", finding->hint);
        if (finding->warning)
            diags_warning(diags, diag);
    }
}

static void check_pair(const struct settings_loaded *loaded, size_t site_at, size_t at,
                       struct diags *diags)
{
    const struct settings_site *site = &settings_sites(loaded->settings)[site_at];
    const struct settings_certificate *certificate =
        &((const struct settings_certificate *)site->certificate.items)[at];
    struct cert_pair pair = {.chain_path = certificate->file,
                             .key_path = certificate->key ? certificate->key : certificate->file,
                             .names = (const char *const *)site->names.items,
                             .name_count = site->names.count,
                             .staples = loaded->settings->tls.ocsp_stapling,
                             .now = nsec_realtime()};
    struct diags found = {0};
    char path[64];

    if (!certificate->file)
        return;
    if (cert_pair_check(&pair, &found) < 0 && found.errors == 0)
        diags_add(&found, "the certificate %s and its key cannot be used", certificate->file);
    snprintf(path, sizeof path, "sites[%zu].certificate[%zu]", site_at, at);
    place_findings(loaded->tree, path, &found, diags);
    diags_finish(&found);
}

/* Goes on after mistakes, so that all are found at once. */
static int load_and_check(const struct settings_source *source, struct diags *diags,
                          struct settings_loaded *loaded)
{
    int r = settings_load(source, diags, loaded);
    const struct settings *settings = loaded->settings;

    for (size_t i = 0; settings && i < settings->sites.count; i++)
        for (size_t c = 0; c < settings_sites(settings)[i].certificate.count; c++)
            check_pair(loaded, i, c, diags);
    return r < 0 ? r : diags->errors ? ERR_SETTINGS : 0;
}

int prepare_check(const struct settings_source *source, struct diags *diags)
{
    struct settings_loaded loaded;
    struct upstream_roots roots = {0};
    struct waf_rules *rules = NULL;

    int r = load_and_check(source, diags, &loaded);
    if (r >= 0)
        guarded_warn(&loaded, loaded.settings->state, diags);
    if (loaded.settings && upstream_roots_load(&loaded, diags, &roots) < 0)
        r = ERR_SETTINGS;
    upstream_roots_finish(&roots);
    if (loaded.settings && settings_use_waf(loaded.settings)) {
        struct waf_files *files = waf_files_create(true);
        int w = waf_load_settings(&loaded.settings->protect, files, diags, &rules);
        r = w < 0 ? w : r;
        waf_rules_destroy(rules);
        waf_files_destroy(files);
    }
    settings_loaded_finish(&loaded);
    return r < 0 ? ERR_SETTINGS : 0;
}

/* ---- in the short-lived process ---- */

struct work {
    struct settings_loaded loaded;
    struct diags *diags;
    json_t *sites;
    char *state;
    char *waf; /* see struct prepared */
    struct upstream_roots roots;
    int state_fd;
    nsec_t now;
    nsec_t valid_from;
    nsec_t renew_at;
    bool ca_used;
    bool ca_made;
    bool ca_unknown;
};

static void add_certificate(const struct work *work, json_t *list, const struct cert_chain *chain,
                            const char *key, const char *kind)
{
    char date[CERT_DATE_TEXT];
    const struct cert_info *leaf = &chain->items[0];
    scoped(mem_release) char *text =
        mem_format("%s, %s, until %s", kind, leaf->key_text, cert_date_text(leaf->not_after, date));

    bool staple = work->loaded.settings->tls.ocsp_stapling;
    json_t *ocsp = staple ? ocsp_look(chain, work->state_fd, work->now) : json_null();
    json_array_append_new(list, json_pack("{s:s, s:s?, s:s, s:o}", "chain", chain->pem, "key", key,
                                          "text", text, "ocsp", ocsp));
}

static int use_file(struct work *work, const struct settings_certificate *certificate, json_t *list)
{
    struct cert_chain chain = {NULL};

    int r = cert_chain_load(certificate->file, work->diags, &chain);
    if (r >= 0)
        add_certificate(work, list, &chain, certificate->key ? certificate->key : certificate->file,
                        certificate->file);
    cert_chain_finish(&chain);
    return r;
}

/* @return bytes of a small file, or ERR_LIMIT, -errno; closes fd */
static int read_all(int fd, struct buffer *bytes)
{
    ssize_t n;
    int r = 0;

    do {
        r = buffer_reserve(bytes, 4096);
        n = r < 0 ? 0 : read(fd, bytes->data + bytes->len, 4096);
        bytes->len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    if (n < 0)
        r = -errno;
    close(fd);
    return r;
}

static int read_local(struct work *work, const char *main_name, json_t *list)
{
    struct cert_chain chain = {NULL};
    struct buffer bytes = buffer_make(CERT_FILE_MAX);

    int r = cert_local_open(work->state_fd, main_name, CERT_LOCAL_CHAIN);
    if (r >= 0)
        r = read_all(r, &bytes);
    if (r >= 0)
        r = cert_chain_parse(buffer_span(&bytes), &chain);
    if (r >= 0)
        add_certificate(work, list, &chain, NULL, "from gardien's local CA");
    else
        diags_add(work->diags, "the certificate made for %s cannot be read: %s", main_name,
                  error_text(r));
    buffer_finish(&bytes);
    cert_chain_finish(&chain);
    return r;
}

static int use_local(struct work *work, const struct settings_site *site, json_t *list)
{
    struct cert_local local = {0};
    struct cert_local_request request = {.state_fd = work->state_fd,
                                         .state_path = work->state,
                                         .names = (const char *const *)site->names.items,
                                         .name_count = site->names.count,
                                         .now = work->now,
                                         .clock_right = clock_is_synchronised()};

    int r = cert_local_ensure(&request, work->diags, &local);
    if (r < 0)
        return r;
    if (local.renew_at < work->renew_at)
        work->renew_at = local.renew_at;
    if (local.valid_from > work->valid_from)
        work->valid_from = local.valid_from;
    work->ca_used = true;
    work->ca_made |= local.ca != CERT_LOCAL_KEPT;
    cert_local_finish(&local);
    return read_local(work, site->names.items[0], list);
}

/* The pair that came by ACME, if there is one that stands for all names. @return whether it is used
 */
static bool use_acme(struct work *work, const struct settings_site *site, json_t *list,
                     json_t *acme)
{
    const char *main_name = site->names.items[0];
    scoped(mem_release) char *chain_path = acme_store_path(main_name, "chain.pem");
    scoped(mem_release) char *key_path = acme_store_path(main_name, "key.pem");
    scoped(mem_release) char *key = mem_format("%s/%s", work->state, key_path);
    struct buffer bytes = buffer_make(CERT_FILE_MAX);
    struct cert_chain chain = {NULL};

    int fd = openat(work->state_fd, chain_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    int r = read_all(fd, &bytes);
    if (r >= 0)
        r = cert_chain_parse(buffer_span(&bytes), &chain);
    bool fits = r >= 0;
    for (size_t i = 0; fits && i < site->names.count; i++)
        fits = cert_matches(&chain.items[0], span_str(site->names.items[i]));
    if (fits) {
        scoped(mem_release) char *id = acme_certificate_id(buffer_span(&bytes));
        add_certificate(work, list, &chain, key, "by ACME");
        json_object_set_new(acme, "not_before", json_integer(chain.items[0].not_before));
        json_object_set_new(acme, "not_after", json_integer(chain.items[0].not_after));
        if (id)
            json_object_set_new(acme, "id", json_string(id));
    }
    buffer_finish(&bytes);
    cert_chain_finish(&chain);
    return fits;
}

static int use_site(struct work *work, const struct settings_site *site)
{
    const struct settings_certificate *files = site->certificate.items;
    const struct settings *settings = work->loaded.settings;
    const char *name, *why;
    bool by_acme = settings_site_has_acme(settings, site, &name, &why);
    json_t *list = json_array(), *acme = json_pack("{s:b}", "wanted", (int)by_acme);
    int r = 0;

    if (work->loaded.settings->listen.https.count) {
        for (size_t i = 0; r >= 0 && i < site->certificate.count; i++)
            r = use_file(work, &files[i], list);
        bool found = by_acme && use_acme(work, site, list, acme);
        if (site->certificate.count == 0 && !found)
            r = use_local(work, site, list);
    }
    json_array_append_new(work->sites, json_pack("{s:o, s:o}", "certificates", list, "acme", acme));
    return r;
}

static int use_state(struct work *work)
{
    const char *given = work->loaded.settings->state;

    work->state = given ? mem_string(span_str(given)) : state_default();
    if (!work->state) {
        diag_hint(diags_add(work->diags, "there is no home folder to keep state in"),
                  "name a folder with --state DIR");
        return ERR_SETTINGS;
    }
    work->state_fd = state_open(work->state, work->diags);
    if (work->state_fd < 0)
        return work->state_fd;
    cert_ocsp_prune(work->state_fd, work->now);
    return 0;
}

/* Loads the rules, so that mistakes in them are told here, and packs their files for the workers.
 */
static int use_waf(struct work *work)
{
    struct buffer bytes = buffer_make(WAF_MAX);
    struct waf_rules *rules = NULL;

    if (!settings_use_waf(work->loaded.settings))
        return 0;
    struct waf_files *files = waf_files_create(true);
    int r = waf_load_settings(&work->loaded.settings->protect, files, work->diags, &rules);
    if (r >= 0) {
        r = waf_files_pack(files, &bytes);
        if (r < 0)
            diags_add(work->diags,
                      "the rules of the web application firewall have more than 32 MiB");
    }
    if (r >= 0) {
        work->waf = mem_zalloc(base64url_size(bytes.len) + 1);
        base64url_encode(buffer_span(&bytes), work->waf);
    }
    buffer_finish(&bytes);
    waf_rules_destroy(rules);
    waf_files_destroy(files);
    return r < 0 ? ERR_SETTINGS : 0;
}

static void write_result(int fd, const struct work *work)
{
    json_t *result = json_pack("{s:s?, s:o, s:s?, s:s?, s:o, s:O, s:I, s:I, s:b, s:b}", "waf",
                               work->waf, "roots", upstream_roots_to_json(&work->roots), "settings",
                               work->loaded.text, "state", work->state, "diags",
                               diags_to_json(work->diags), "sites", work->sites, "valid_from",
                               (json_int_t)work->valid_from, "renew_at", (json_int_t)work->renew_at,
                               "ca_made", (int)work->ca_made, "ca_unknown", (int)work->ca_unknown);

    if (!result || json_dumpfd(result, fd, JSON_COMPACT) < 0)
        _exit(1);
}

static void look_whether_trusted(struct work *work)
{
    scoped(mem_release) char *pem = NULL;

    if (work->ca_used && cert_local_ca_read(work->state_fd, &pem) == 0)
        work->ca_unknown = !cert_trust_is_known(span_str(pem));
}

int prepare_process_run(const struct process_start *start)
{
    struct diags diags = {0};
    struct work work = {.diags = &diags,
                        .sites = json_array(),
                        .state_fd = -1,
                        .now = nsec_realtime(),
                        .renew_at = NSEC_NEVER};

    int r = load_and_check(start->question, &diags, &work.loaded);
    if (r >= 0)
        r = use_state(&work);
    if (r >= 0)
        guarded_warn(&work.loaded, work.state, &diags);
    for (size_t i = 0; r >= 0 && i < work.loaded.settings->sites.count; i++)
        r = use_site(&work, &settings_sites(work.loaded.settings)[i]);
    if (r >= 0)
        r = use_waf(&work);
    if (r >= 0)
        r = upstream_roots_load(&work.loaded, &diags, &work.roots);
    if (r < 0 && diags.errors == 0)
        diags_add(&diags, "the certificates could not be prepared: %s", error_text(r));
    look_whether_trusted(&work);
    write_result(start->guardian, &work);
    return 0;
}

/* ---- in the guardian ---- */

int prepare_start(const struct process_host *host, const struct settings_source *source,
                  struct prepare_job *ret_job)
{
    int fd = memfd_create("prepare", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    struct process_launch launch = process_launch_of(PROCESS_PREPARE, fd, source);
    pid_t pid = process_launch(host, &launch);
    if (pid < 0) {
        close(fd);
        return pid;
    }
    *ret_job = (struct prepare_job){pid, fd};
    return 0;
}

static json_t *read_result(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_size == 0 || st.st_size > RESULT_MAX)
        return NULL;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return NULL;
    return json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
}

static char *copy_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? mem_string(span_str(text)) : NULL;
}

static void read_acme(const json_t *from, struct prepared_acme *acme)
{
    *acme = (struct prepared_acme){
        .wanted = json_is_true(json_object_get(from, "wanted")),
        .not_before = json_integer_value(json_object_get(from, "not_before")),
        .not_after = json_integer_value(json_object_get(from, "not_after")),
        .id = copy_text(from, "id"),
    };
}

static void read_sites(const json_t *list, struct prepared *prepared)
{
    prepared->sites = mem_zalloc((json_array_size(list) + 1) * sizeof *prepared->sites);
    for (; prepared->site_count < json_array_size(list); prepared->site_count++) {
        struct prepared_site *site = &prepared->sites[prepared->site_count];
        const json_t *object = json_array_get(list, prepared->site_count);
        const json_t *from = json_object_get(object, "certificates");
        read_acme(json_object_get(object, "acme"), &site->acme);
        site->certificates = mem_zalloc((json_array_size(from) + 1) * sizeof *site->certificates);
        for (; site->count < json_array_size(from); site->count++) {
            const json_t *one = json_array_get(from, site->count);
            site->certificates[site->count] =
                (struct prepared_certificate){.chain_pem = copy_text(one, "chain"),
                                              .key_path = copy_text(one, "key"),
                                              .text = copy_text(one, "text")};
            ocsp_from_json(json_object_get(one, "ocsp"), &site->certificates[site->count].ocsp);
        }
    }
}

static int read_prepared(const json_t *result, struct prepared *prepared)
{
    diags_from_json(json_object_get(result, "diags"), &prepared->diags);
    if (prepared->diags.errors)
        return ERR_SETTINGS;
    prepared->text = copy_text(result, "settings");
    prepared->state = copy_text(result, "state");
    prepared->waf = copy_text(result, "waf");
    upstream_roots_from_json(json_object_get(result, "roots"), &prepared->roots);
    prepared->valid_from = json_integer_value(json_object_get(result, "valid_from"));
    prepared->renew_at = json_integer_value(json_object_get(result, "renew_at"));
    prepared->ca_unknown = json_is_true(json_object_get(result, "ca_unknown"));
    prepared->ca_made = json_is_true(json_object_get(result, "ca_made"));
    read_sites(json_object_get(result, "sites"), prepared);
    int r = prepared->text && prepared->state
                ? settings_parse(span_str(prepared->text), &prepared->settings)
                : ERR_SETTINGS;
    if (r < 0 || prepared->settings->sites.count != prepared->site_count) {
        diags_add(&prepared->diags, "the settings could not be read back");
        return ERR_SETTINGS;
    }
    return 0;
}

int prepare_finish(struct prepare_job *job, int status, struct prepared *ret_prepared)
{
    json_t *result =
        WIFEXITED(status) && WEXITSTATUS(status) == 0 ? read_result(job->result_fd) : NULL;
    int r = ERR_SETTINGS;

    *ret_prepared = (struct prepared){.renew_at = NSEC_NEVER};
    if (result)
        r = read_prepared(result, ret_prepared);
    else if (WIFSIGNALED(status))
        diags_add(&ret_prepared->diags, "the process that reads the settings died: %s",
                  strsignal(WTERMSIG(status)));
    else if (WIFEXITED(status) && WEXITSTATUS(status) == PROCESS_DESCRIPTORS)
        diag_hint(diags_add(&ret_prepared->diags,
                            "a process cannot close the descriptors that it shall not have"),
                  "allow more than 64 open files (ulimit -n), and the system call close_range() or "
                  "the folder /proc");
    else
        diags_add(&ret_prepared->diags, "the process that reads the settings failed");
    json_decref(result);
    close(job->result_fd);
    *job = (struct prepare_job){0};
    return r;
}

void prepared_finish(struct prepared *prepared)
{
    for (size_t i = 0; i < prepared->site_count; i++) {
        struct prepared_site *site = &prepared->sites[i];
        for (size_t c = 0; c < site->count; c++) {
            free(site->certificates[c].chain_pem);
            free(site->certificates[c].key_path);
            free(site->certificates[c].text);
            ocsp_answer_finish(&site->certificates[c].ocsp);
        }
        free(site->certificates);
        free(site->acme.id);
    }
    free(prepared->sites);
    free(prepared->waf);
    upstream_roots_finish(&prepared->roots);
    settings_destroy(prepared->settings);
    free(prepared->text);
    free(prepared->state);
    diags_finish(&prepared->diags);
}
