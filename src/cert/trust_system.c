/* The system's certificate store: a file a CA, named by its fingerprint so that the CAs of several
 * state folders stand side by side, in the folder that the distribution sets aside for local CAs,
 * and its own command to rebuild the bundle. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/file.h"
#include "cert/trust_work.h"
#include "os/command.h"

enum { FINGERPRINT_BYTES = 8, FILE_NAME_SIZE = 64 };

struct system_store {
    const char *folder; /* beneath the system's root */
    const char *updater;
    const char *add_option; /* NULL: none */
    const char *remove_option;
};

/* In the order of looking: the first whose folder and command exist is this system's. */
static const struct system_store stores[] = {
    /* openSUSE */
    {"etc/pki/trust/anchors", "usr/sbin/update-ca-certificates", NULL, "--fresh"},
    /* Debian, Ubuntu, Alpine. Without --fresh the links to a removed CA stay. */
    {"usr/local/share/ca-certificates", "usr/sbin/update-ca-certificates", NULL, "--fresh"},
    /* Fedora, RHEL */
    {"etc/pki/ca-trust/source/anchors", "usr/bin/update-ca-trust", "extract", "extract"},
    /* Arch */
    {"etc/ca-certificates/trust-source/anchors", "usr/bin/update-ca-trust", NULL, NULL},
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* One of our CAs in the folder. */
struct entry {
    char name[FILE_NAME_SIZE];
    bool present; /* a file of that name */
    bool foreign; /* which is not the CA */
};

static void name_file(X509 *cert, char name[FILE_NAME_SIZE])
{
    struct cert_info info;
    char hex[2 * FINGERPRINT_BYTES + 1];

    x509_describe(cert, &info);
    for (size_t i = 0; i < FINGERPRINT_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", info.fingerprint[i]);
    x509_info_finish(&info);
    snprintf(name, FILE_NAME_SIZE, "gardien-local-ca-%s.crt", hex);
}

static struct entry find_entry(const struct trust_work *work, int folder, int at)
{
    struct entry entry = {.name = ""};
    X509 *certs[CERT_CHAIN_MAX];
    struct buffer bytes;

    name_file(work->certs[at], entry.name);
    int r = file_read(folder, entry.name, CERT_FILE_MAX, &bytes);
    entry.present = r != -ENOENT;
    entry.foreign = r < 0;
    if (r < 0)
        return entry;
    int count = x509_parse(buffer_span(&bytes), certs);
    buffer_finish(&bytes);
    entry.foreign = count < 0 || trust_find(work, certs[0]) != at;
    x509_free_all(certs, count);
    return entry;
}

/* @param removed  a CA was taken out, not only added */
static bool update(struct trust_work *work, const struct system_store *store, const char *path,
                   bool removed)
{
    scoped(mem_release) char *program =
        mem_format("%s/%s", work->options->system_root, store->updater);
    const char *option = removed ? store->remove_option : store->add_option;
    const char *argv[] = {program, option, NULL};

    return trust_do(work, &(struct trust_store){"system", path, NULL}, argv, SPAN(""));
}

/* A change that did not come through. */
static void report_failure(struct trust_work *work, const char *path, int error)
{
    if ((error == -EACCES || error == -EPERM) && geteuid() != 0)
        trust_hint(trust_step(work, "system", path, CERT_TRUST_DENIED,
                              "only root may change the system's store"),
                   "%s", work->options->as_root);
    else
        trust_step(work, "system", path, CERT_TRUST_FAILED, "%s cannot be changed: %s", path,
                   error_text(error));
}

/* Removes the files of our CAs from the one at `first` on, those of others left alone.
 * @return how many, or -errno */
static int remove_files(const struct trust_work *work, int folder, int first)
{
    int removed = 0;

    for (int i = first; i < work->count; i++) {
        struct entry entry = find_entry(work, folder, i);
        if (!entry.present || entry.foreign)
            continue;
        if (unlinkat(folder, entry.name, 0) < 0)
            return -errno;
        removed++;
    }
    return removed;
}

static void add(struct trust_work *work, const struct system_store *store, int folder,
                const char *path)
{
    struct entry entry = find_entry(work, folder, 0);
    bool new = !entry.present || entry.foreign;
    scoped(mem_release) char *pem = x509_to_pem(work->certs, 1);

    int r = new ? file_replace(folder, entry.name, 0644, span_str(pem)) : 0;
    if (r >= 0)
        r = remove_files(work, folder, 1); /* former CAs of the same state folder */
    if (r < 0)
        report_failure(work, path, r);
    else if (!new &&r == 0)
        trust_step(work, "system", path, CERT_TRUST_ALREADY,
                   "the system's store trusts the local CA already");
    else if (update(work, store, path, r > 0))
        trust_step(work, "system", path, CERT_TRUST_DONE,
                   "the system's store trusts the local CA now");
    else
        unlinkat(folder, entry.name, 0); /* or the next try would find it done already */
}

static void take_out(struct trust_work *work, const struct system_store *store, int folder,
                     const char *path)
{
    struct entry entry = find_entry(work, folder, 0);
    int removed = remove_files(work, folder, 0);

    if (removed < 0)
        report_failure(work, path, removed);
    else if (removed > 0 && update(work, store, path, true))
        trust_step(work, "system", path, CERT_TRUST_DONE,
                   "the system's store does not trust the local CA any more");
    else if (removed == 0 && entry.present)
        trust_step(work, "system", path, CERT_TRUST_SKIPPED,
                   "%s is not the local CA of this state folder: left alone", path);
    else if (removed == 0)
        trust_step(work, "system", path, CERT_TRUST_ALREADY,
                   "the system's store does not have the local CA");
}

static void change(struct trust_work *work, const struct system_store *store, const char *folder)
{
    char name[FILE_NAME_SIZE];
    scoped(close_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    name_file(work->certs[0], name);
    scoped(mem_release) char *path = mem_format("%s/%s", folder, name);
    if (fd < 0)
        report_failure(work, path, -errno);
    else if (work->adding)
        add(work, store, fd, path);
    else
        take_out(work, store, fd, path);
}

void trust_system(struct trust_work *work)
{
    const char *root = work->options->system_root;

    for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
        scoped(mem_release) char *folder = mem_format("%s/%s", root, stores[i].folder);
        scoped(mem_release) char *program = mem_format("%s/%s", root, stores[i].updater);
        if (access(folder, F_OK) < 0 || !command_exists(program))
            continue;
        change(work, &stores[i], folder);
        return;
    }
    trust_hint(trust_step(work, "system", NULL, CERT_TRUST_SKIPPED,
                          "this system has no certificate store that gardien knows"),
               "on Debian and Ubuntu: apt install ca-certificates");
}
