/* Decides what must be made, renewed or kept for a site, and says what was done. */
#include "cert/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/authority.h"
#include "cert/complain.h"
#include "cert/file.h"
#include "cert/store.h"
#include "cert/x509.h"

#define LEAF_FOLDER "local"

static const char NOT_YET[] = "it was not valid yet";

struct work {
    const struct cert_local_request *request;
    struct diags *diags;
    char **names; /* normal form */
    struct issued ca;
    struct issued leaf;
    struct cert_local result;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int complain(const struct work *work, const char *name, int error)
{
    complain_state(work->diags, work->request->state_path, name, error);
    return error;
}

/* ---- a site's certificate ---- */

static bool same_names(const struct work *work, const struct cert_info *info)
{
    if (info->names_from_common_name || info->name_count != work->request->name_count)
        return false;
    for (size_t i = 0; i < info->name_count; i++)
        if (strcmp(info->names[i], work->names[i]) != 0)
            return false;
    return true;
}

static nsec_t ca_begins(const struct work *work)
{
    return x509_time(X509_get0_notBefore(work->ca.cert));
}

/* Made while the clock was ahead. Where the CA is not valid yet either, the clock is rather behind
 * now, and clients, whose clocks are right, take what there is. */
static bool too_early(const struct work *work, const struct cert_info *info)
{
    return work->request->now < info->not_before && work->request->now >= ca_begins(work);
}

/* Why the certificate at hand will not do; NULL when it will. */
static const char *reason_to_renew(const struct work *work)
{
    const char *reason = NULL;
    struct cert_info info;

    x509_describe(work->leaf.cert, &info);
    if (!x509_signed_by(work->leaf.cert, work->ca.cert))
        reason = "the local CA changed";
    else if (!same_names(work, &info))
        reason = "its names changed";
    else if (too_early(work, &info))
        reason = NOT_YET;
    else if (work->request->now >= info.not_after)
        reason = "it had expired";
    else if (work->request->now >= cert_renew_at(&info))
        reason = "less than a third of its lifetime was left";
    x509_info_finish(&info);
    return reason;
}

static int make_leaf(struct work *work, int folder)
{
    issued_finish(&work->leaf);
    int r = issue_leaf(&work->ca, work->names, work->request->name_count, work->request->now,
                       &work->leaf);
    if (r < 0) {
        diags_add(work->diags, "the TLS library could not make a certificate for %s",
                  work->names[0]);
        return r;
    }
    r = store_save(folder, "chain.pem", "key.pem", &work->leaf);
    return r < 0 ? complain(work, LEAF_FOLDER, r) : 0;
}

static void tell_early(const struct work *work)
{
    char date[CERT_DATE_TEXT];
    nsec_t begins = x509_time(X509_get0_notBefore(work->leaf.cert));

    diag_hint(diags_warning(work->diags,
                            diags_add(work->diags,
                                      "the certificate of %s from the local CA is valid only from "
                                      "%s: making a new one",
                                      work->names[0], cert_date_text(begins, date))),
              "this machine's clock was ahead when it was made; keep it right: timedatectl set-ntp "
              "true");
}

static int renew_leaf(struct work *work, int folder, const char *reason)
{
    work->result.leaf = CERT_LOCAL_RENEWED;
    free(work->result.why);
    work->result.why = mem_string(span_str(reason));
    return make_leaf(work, folder);
}

/* Nothing is lost with a leaf: whatever is wrong with the one at hand, a new one is made. */
static int ensure_leaf(struct work *work, int folder)
{
    int r = store_load(folder, "chain.pem", "key.pem", &work->leaf);

    if (r == ERR_NOT_FOUND) {
        work->result.leaf = CERT_LOCAL_MADE;
        return make_leaf(work, folder);
    }
    if (r < 0) {
        const char *what = r == -EPERM ? "had a private key that others could read"
                                       : "was damaged or half written";
        diags_warning(work->diags,
                      diags_add(work->diags,
                                "the certificate in %s/%s/%s %s: making a "
                                "new one",
                                work->request->state_path, LEAF_FOLDER, work->names[0], what));
        return renew_leaf(work, folder,
                          r == -EPERM ? "others could read its key" : "it was damaged");
    }
    const char *reason = reason_to_renew(work);
    if (reason == NOT_YET)
        tell_early(work);
    if (reason)
        return renew_leaf(work, folder, reason);
    work->result.leaf = CERT_LOCAL_KEPT;
    return 0;
}

static char *folder_name(const char *normal)
{
    char *name = mem_string(span_str(normal));

    if (name[0] == '*') /* no host name begins with a label of "_" alone */
        name[0] = '_';
    return name;
}

static int ensure_leaf_folder(struct work *work)
{
    scoped(mem_release) char *name = folder_name(work->names[0]);
    scoped(close_fd) int outer = file_open_folder(work->request->state_fd, LEAF_FOLDER);

    if (outer < 0)
        return complain(work, LEAF_FOLDER, outer);
    scoped(close_fd) int folder = file_open_folder(outer, name);
    if (folder < 0) {
        scoped(mem_release) char *path = mem_format("%s/%s", LEAF_FOLDER, name);
        return complain(work, path, folder);
    }
    return ensure_leaf(work, folder);
}

/* ---- the whole ---- */

static int take_names(struct work *work)
{
    const struct cert_local_request *request = work->request;

    if (request->name_count == 0 || request->name_count > CERT_NAMES_MAX) {
        diags_add(work->diags, "a certificate needs 1 to %d names, not %zu", CERT_NAMES_MAX,
                  request->name_count);
        return ERR_SYNTAX;
    }
    work->names = mem_zalloc(request->name_count * sizeof *work->names);
    for (size_t i = 0; i < request->name_count; i++) {
        work->names[i] = name_normal(request->names[i]);
        if (!work->names[i]) {
            diag_hint(diags_add(work->diags, "%.300s is not a valid host name", request->names[i]),
                      "letters, digits and hyphens between dots, as in www.example.com or "
                      "*.example.com, or an IP address");
            return ERR_SYNTAX;
        }
    }
    return 0;
}

static void conclude(struct work *work, X509 *cert)
{
    struct cert_info info;

    x509_describe(cert, &info);
    work->result.valid_from = info.not_before > ca_begins(work) ? info.not_before : 0;
    work->result.not_after = info.not_after;
    work->result.renew_at = info.ca ? info.not_after - AUTHORITY_REMAKE : cert_renew_at(&info);
    x509_info_finish(&info);
}

static void work_finish(struct work *work)
{
    for (size_t i = 0; work->names && i < work->request->name_count; i++)
        free(work->names[i]);
    free(work->names);
    issued_finish(&work->ca);
    issued_finish(&work->leaf);
    cert_local_finish(&work->result);
}

static int run(struct work *work, bool with_leaf)
{
    int r = with_leaf ? take_names(work) : 0;

    if (r < 0)
        return r;
    scoped(close_fd) int lock = store_lock(work->request->state_fd);
    if (lock < 0)
        return complain(work, "", lock);
    r = authority_ensure(work->request, work->diags, &work->ca, &work->result.ca);
    if (r == 0 && with_leaf)
        r = ensure_leaf_folder(work);
    if (r == 0)
        conclude(work, with_leaf ? work->leaf.cert : work->ca.cert);
    return r;
}

static int ensure(const struct cert_local_request *request, bool with_leaf, struct diags *diags,
                  struct cert_local *ret_local)
{
    struct work work = {.request = request, .diags = diags};
    int r = run(&work, with_leaf);

    if (r == 0) {
        *ret_local = work.result;
        work.result = (struct cert_local){0};
    }
    work_finish(&work);
    return r;
}

int cert_local_ensure(const struct cert_local_request *request, struct diags *diags,
                      struct cert_local *ret_local)
{
    return ensure(request, true, diags, ret_local);
}

int cert_local_ca_ensure(const struct cert_local_request *request, struct diags *diags,
                         struct cert_local *ret_local)
{
    return ensure(request, false, diags, ret_local);
}

void cert_local_finish(struct cert_local *local)
{
    free(local->why);
    *local = (struct cert_local){0};
}

char *cert_local_path(const char *main_name, enum cert_local_file file)
{
    scoped(mem_release) char *normal = name_normal(main_name);
    scoped(mem_release) char *folder = folder_name(normal ? normal : "invalid");

    return mem_format("%s/%s/%s", LEAF_FOLDER, folder,
                      file == CERT_LOCAL_CHAIN ? "chain.pem" : "key.pem");
}

int cert_local_open(int state_fd, const char *main_name, enum cert_local_file file)
{
    scoped(mem_release) char *path = cert_local_path(main_name, file);
    int fd = openat(state_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    return fd < 0 ? -errno : fd;
}
