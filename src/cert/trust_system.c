/* The system's certificate store: one file in a folder that the distribution sets aside for local
 * CAs, and its own command to rebuild the bundle. Browsers' stores are trust_nss.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/file.h"
#include "cert/trust_work.h"
#include "os/command.h"

#define FILE_NAME "gardien-local-ca.crt"

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

static bool update(struct trust_work *work, const struct system_store *store, const char *path)
{
    scoped(mem_release) char *program =
        mem_format("%s/%s", work->options->system_root, store->updater);
    const char *option = work->adding ? store->add_option : store->remove_option;
    const char *argv[] = {program, option, NULL};

    return trust_do(work, "system", path, NULL, argv, SPAN(""));
}

/* A change that did not come through. */
static void report_failure(struct trust_work *work, const char *path, int error)
{
    if ((error == -EACCES || error == -EPERM) && geteuid() != 0)
        trust_hint(trust_step(work, "system", path, CERT_TRUST_SKIPPED,
                              "only root may change the system's store"),
                   "sudo gardien cert %s --state %s", work->adding ? "trust" : "untrust",
                   work->options->state ? work->options->state : "DIR");
    else
        trust_step(work, "system", path, CERT_TRUST_FAILED, "%s cannot be changed: %s", path,
                   error_text(error));
}

static void add(struct trust_work *work, const struct system_store *store, int folder,
                const char *path)
{
    scoped(mem_release) char *pem = x509_to_pem(work->certs, 1);
    int r = file_replace(folder, FILE_NAME, 0644, span_str(pem));

    if (r < 0)
        report_failure(work, path, r);
    else if (update(work, store, path))
        trust_step(work, "system", path, CERT_TRUST_DONE,
                   "the system's store trusts the local CA now");
    else
        unlinkat(folder, FILE_NAME, 0); /* or the next try would find it done already */
}

static void take_out(struct trust_work *work, const struct system_store *store, int folder,
                     const char *path)
{
    if (unlinkat(folder, FILE_NAME, 0) < 0)
        report_failure(work, path, -errno);
    else if (update(work, store, path))
        trust_step(work, "system", path, CERT_TRUST_DONE,
                   "the system's store does not trust the local CA any more");
}

/* Which of our CAs the file holds: an index, -1 for a stranger, -ENOENT without a file. */
static int installed(const struct trust_work *work, int folder)
{
    X509 *certs[CERT_CHAIN_MAX];
    struct buffer bytes;
    int r = file_read(folder, FILE_NAME, CERT_FILE_MAX, &bytes);

    if (r < 0)
        return r == -ENOENT ? -ENOENT : -1;
    int count = x509_parse(buffer_span(&bytes), certs);
    buffer_finish(&bytes);
    if (count < 0)
        return -1;
    int found = trust_find(work, certs[0]);
    x509_free_all(certs, count);
    return found;
}

static void change(struct trust_work *work, const struct system_store *store, const char *folder)
{
    scoped(mem_release) char *path = mem_format("%s/%s", folder, FILE_NAME);
    scoped(close_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        report_failure(work, path, -errno);
        return;
    }
    int ours = installed(work, fd);
    if (work->adding && ours == 0)
        trust_step(work, "system", path, CERT_TRUST_ALREADY,
                   "the system's store trusts the local CA already");
    else if (work->adding)
        add(work, store, fd, path);
    else if (ours >= 0)
        take_out(work, store, fd, path);
    else if (ours == -ENOENT)
        trust_step(work, "system", path, CERT_TRUST_ALREADY,
                   "the system's store does not have the local CA");
    else
        trust_step(work, "system", path, CERT_TRUST_SKIPPED,
                   "%s is not the local CA of this state folder: left alone", path);
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
