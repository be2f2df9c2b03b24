/* What is served, as the guardian holds it: sockets, folders, keys and log files, opened from
 * prepared settings. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/guarded.h"
#include "app/guardian_state.h"
#include "app/stapler.h"
#include "base/error.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "os/filesystem.h"
#include "os/process.h"
#include "os/state.h"

/* ---- keys ---- */

static int open_key(struct guardian *g, const struct settings_site *site,
                    const struct prepared_certificate *certificate, struct diags *diags,
                    struct key **ret_key)
{
    const char *name = certificate->key_path ? certificate->key_path : site->names.items[0];
    int fd = certificate->key_path ? open(certificate->key_path, O_RDONLY | O_CLOEXEC)
                                   : cert_local_open(g->state_fd, name, CERT_LOCAL_KEY);

    if (fd == -1)
        fd = -errno;
    if (fd < 0) {
        (void)process_hint_descriptors(
            diags_add(diags, "the private key of %s cannot be opened: %s", name, error_text(fd)),
            fd);
        return fd;
    }
    const struct key_source source = {
        .purpose = KEYS_FOR_SERVER, .fd = fd, .path = name, .chain_pem = certificate->chain_pem};
    return key_ring_load(g, &source, diags, ret_key);
}

static int open_site(struct guardian *g, const struct settings_site *site,
                     const struct prepared_site *prepared, struct deployed_site *deployed,
                     struct diags *diags)
{
    int r = 0;

    deployed->keys = mem_zalloc((prepared->count + 1) * sizeof(struct key *));
    for (size_t i = 0; r >= 0 && i < prepared->count; i++) {
        r = open_key(g, site, &prepared->certificates[i], diags, &deployed->keys[i]);
        deployed->key_count += r >= 0;
        if (r >= 0 && prepared->certificates[i].ocsp.named)
            stapler_attach(g, deployed->keys[i], site->names.items[0],
                           &prepared->certificates[i].ocsp);
    }
    return r;
}

/* ---- log files ---- */

enum { LOG_MODE = 0640 };

/* The descriptor that a word or a path stands for; -1: a file. /dev/stdout cannot be opened where
 * it is a socket, and would be truncated by others where it is a file. */
static int standard_fd(const char *path)
{
    static const struct {
        const char *name;
        int fd;
    } names[] = {{"stdout", 1},          {"stderr", 2},         {"/dev/stdout", 1},
                 {"/dev/stderr", 2},     {"/dev/fd/1", 1},      {"/dev/fd/2", 2},
                 {"/proc/self/fd/1", 1}, {"/proc/self/fd/2", 2}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(path, names[i].name) == 0)
            return names[i].fd;
    return -1;
}

/* A file that we made gets the group of its folder and lets it read, whatever the umask: logs are
 * for who may enter the folder. */
static void give_to_group(int fd, const char *path)
{
    scoped(mem_release) char *copy = mem_string(span_str(path));
    struct stat folder;

    if (stat(dirname(copy), &folder) == 0 && fchown(fd, (uid_t)-1, folder.st_gid) == 0)
        (void)!fchmod(fd, LOG_MODE);
}

/* O_NONBLOCK: a pipe that nobody reads is an error, and a slow reader keeps nobody waiting.
 * @return a descriptor, or -errno */
static int open_file(const char *path)
{
    static const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags);

    if (fd >= 0 || errno != ENOENT)
        return fd < 0 ? -errno : fd;
    fd = open(path, flags | O_CREAT, LOG_MODE);
    if (fd < 0 && errno == ENOENT) {
        scoped(mem_release) char *copy = mem_string(span_str(path));
        if (mkdir(dirname(copy), 0750) < 0 && errno != EEXIST)
            return -errno;
        fd = open(path, flags | O_CREAT, LOG_MODE);
    }
    if (fd < 0)
        return -errno;
    give_to_group(fd, path);
    return fd;
}

/* @param ret_output  fd -1 for "off"
 * @return 0, or -errno with a diag */
static int open_log(const char *path, struct diags *diags, struct output *ret_output)
{
    int standard = standard_fd(path);
    int r = 0;

    if (strcmp(path, "off") == 0)
        return 0;
    if (standard >= 0) {
        r = output_open(ret_output, standard);
    } else {
        int fd = open_file(path);
        if (fd >= 0)
            output_adopt(ret_output, fd);
        r = fd < 0 ? fd : 0;
    }
    if (r >= 0)
        return r;
    struct diag *diag =
        diags_add(diags, "the log file %s cannot be opened: %s", path, error_text(r));
    scoped(mem_release) char *folder = mem_string(span_str(path));
    if (!state_hint_read_only(diag, dirname(folder), r))
        diag_hint(diag, "name another one, `stdout`, or off, as `access` or `error` of `logs`, or "
                        "with --access-log");
    return r;
}

static void close_logs(struct deployment *deployment)
{
    output_close(&deployment->access);
    output_close(&deployment->error);
}

int deployment_open_logs(struct deployment *deployment, struct diags *diags)
{
    const struct settings *settings = deployment->prepared.settings;
    scoped(mem_release) char *path = settings_access_log(settings, deployment->prepared.state);
    struct output access = {.fd = -1}, error = {.fd = -1};

    int access_result = open_log(path, diags, &access);
    int error_result = open_log(settings->logs.error, diags, &error);
    if (access_result < 0 || error_result < 0) {
        output_close(&access);
        output_close(&error);
        return access_result < 0 ? access_result : error_result;
    }
    error.dropped = deployment->error.dropped; /* told in the new one */
    close_logs(deployment);
    deployment->access = access;
    deployment->error = error;
    return 0;
}

/* ---- the whole ---- */

static int fill(struct guardian *g, struct deployment *d, struct diags *diags)
{
    const struct settings *settings = d->prepared.settings;
    struct endpoints *old = g->live ? &g->live->endpoints : &g->inherited;

    int r = endpoints_open(old, settings, settings_workers(settings), diags, &d->endpoints);
    if (r >= 0)
        r = deployment_open_logs(d, diags);
    if (r >= 0)
        r = served_folders_open(settings, diags, &d->folders);
    d->sites = mem_zalloc((d->prepared.site_count + 1) * sizeof *d->sites);
    for (; r >= 0 && d->site_count < d->prepared.site_count; d->site_count++) {
        r = open_site(g, &settings_sites(settings)[d->site_count],
                      &d->prepared.sites[d->site_count], &d->sites[d->site_count], diags);
    }
    return r;
}

int deployment_create(struct guardian *g, struct prepared *prepared, struct diags *diags,
                      struct deployment **ret_deployment)
{
    struct deployment *d = mem_new(struct deployment);

    d->prepared = *prepared;
    *prepared = (struct prepared){0};
    d->access.fd = d->error.fd = -1;
    int r = fill(g, d, diags);
    if (r < 0) {
        deployment_destroy(g, d);
        return r;
    }
    *ret_deployment = d;
    return 0;
}

static void copy_site(const struct deployed_site *from, struct deployed_site *to)
{
    to->keys = mem_zalloc((from->key_count + 1) * sizeof(struct key *));
    for (; to->key_count < from->key_count; to->key_count++) {
        to->keys[to->key_count] = from->keys[to->key_count];
        to->keys[to->key_count]->references++;
    }
}

static int copy_log(const struct output *from, struct output *ret_output)
{
    int fd = from->fd < 0 ? -1 : fcntl(from->fd, F_DUPFD_CLOEXEC, 3);

    if (from->fd >= 0 && fd < 0)
        return -errno;
    *ret_output = (struct output){.fd = fd, .kind = from->kind, .torn = from->torn};
    return 0;
}

int deployment_renew_folders(struct guardian *g, struct diags *diags,
                             struct deployment **ret_deployment)
{
    struct deployment *live = g->live;
    const struct settings *settings = live->prepared.settings;
    struct deployment *d = mem_new(struct deployment);

    d->prepared = live->prepared;
    d->borrows = true;
    d->access.fd = d->error.fd = -1;
    d->sites = mem_zalloc((live->site_count + 1) * sizeof *d->sites);
    int r = endpoints_open(&live->endpoints, settings, settings_workers(settings), diags,
                           &d->endpoints);
    if (r >= 0)
        r = copy_log(&live->access, &d->access);
    if (r >= 0)
        r = copy_log(&live->error, &d->error);
    if (r >= 0)
        r = served_folders_renew(settings, &live->folders, &d->folders);
    for (; r >= 0 && d->site_count < live->site_count; d->site_count++)
        copy_site(&live->sites[d->site_count], &d->sites[d->site_count]);
    if (r < 0) {
        if (diags->count == 0)
            diags_add(diags, "%s", error_text(r));
        deployment_destroy(g, d);
        return r;
    }
    *ret_deployment = d;
    return 0;
}

void deployment_destroy(struct guardian *g, struct deployment *deployment)
{
    if (!deployment)
        return;
    for (size_t i = 0; i < deployment->site_count; i++) {
        struct deployed_site *site = &deployment->sites[i];
        for (size_t k = 0; k < site->key_count; k++)
            key_ring_unref(g, site->keys[k]);
        free(site->keys);
    }
    free(deployment->sites);
    served_folders_finish(&deployment->folders);
    close_logs(deployment);
    endpoints_finish(&deployment->endpoints);
    if (!deployment->borrows)
        prepared_finish(&deployment->prepared);
    free(deployment);
}

void deployment_send_logs(struct guardian *g, const struct deployment *deployment)
{
    struct ipc_message message = {.kind = IPC_LOG_FILES};

    if (deployment->access.fd >= 0) {
        message.text[message.text_len++] = IPC_LOG_ACCESS;
        message.fds[message.fd_count++] = deployment->access.fd;
    }
    if (deployment->error.fd >= 0) {
        message.text[message.text_len++] = IPC_LOG_ERROR;
        message.fds[message.fd_count++] = deployment->error.fd;
    }
    int r = processes_order(&g->processes, PROCESS_LOGS, &message);
    if (r < 0 && r != -ENOTCONN) /* one that does not run gets them when it is started */
        log_event(&g->log, LOG_WARNING, "the logs process does not listen", "reason=\"%s\"",
                  error_text(r));
}

/* ---- to a worker ---- */

static void add_listener(const struct endpoint *endpoint, size_t socket, struct snapshot *snapshot)
{
    snapshot->listeners =
        mem_resize(snapshot->listeners, snapshot->listener_count + 1, sizeof *snapshot->listeners);
    snapshot->listeners[snapshot->listener_count++] =
        (struct snapshot_listener){.id = endpoint->sockets[socket]->id,
                                   .fd = endpoint->sockets[socket]->fd,
                                   .secure = endpoint->secure,
                                   .datagrams = endpoint->datagrams,
                                   .index = (uint8_t)(endpoint->datagrams ? socket : 0),
                                   .proxy_protocol = endpoint->proxy_protocol,
                                   .address = endpoint->text,
                                   .port = socket_address_port(&endpoint->address)};
}

/* Of UDP sockets a worker has one: that of its generation. */
static void add_datagrams(const struct endpoint *endpoint, const struct worker_process *worker,
                          struct snapshot *snapshot)
{
    size_t at = (size_t)worker->slot * UDP_GENERATIONS + worker->udp_generation;

    if (worker->udp_generation < UDP_GENERATIONS && at < endpoint->socket_count)
        add_listener(endpoint, at, snapshot);
}

/* A worker of slot s has the s-th of `workers` shares of each address's sockets. */
static void add_listeners(const struct endpoint *endpoint, unsigned slot, unsigned workers,
                          struct snapshot *snapshot)
{
    for (size_t i = 0; i < endpoint->socket_count; i++) {
        if (!endpoint->shared && i % workers != slot)
            continue;
        add_listener(endpoint, i, snapshot);
    }
}

static struct snapshot_certificate to_certificate(const struct key *key, bool staple)
{
    struct snapshot_certificate certificate = {.key_id = key->id, .chain_pem = key->chain_pem};
    const struct ocsp_answer *answer = staple ? stapler_answer(key) : NULL;

    if (answer) {
        certificate.ocsp = answer->der;
        certificate.ocsp_len = answer->len;
        certificate.ocsp_until = answer->expires_at;
        memcpy(certificate.fingerprint, answer->fingerprint, sizeof certificate.fingerprint);
    }
    return certificate;
}

static void add_sites(const struct deployment *d, struct snapshot *snapshot)
{
    bool staple = d->prepared.settings->tls.ocsp_stapling;

    snapshot->sites = mem_zalloc((d->site_count + 1) * sizeof *snapshot->sites);
    snapshot->site_count = d->site_count;
    snapshot->folders = d->folders.fds;
    snapshot->folder_count = d->folders.count;
    for (size_t i = 0; i < d->site_count; i++) {
        const struct deployed_site *from = &d->sites[i];
        struct snapshot_site *to = &snapshot->sites[i];
        to->certificate_count = from->key_count;
        to->certificates = mem_zalloc((from->key_count + 1) * sizeof *to->certificates);
        for (size_t k = 0; k < from->key_count; k++)
            to->certificates[k] = to_certificate(from->keys[k], staple);
    }
}

int deployment_send(struct guardian *g, const struct deployment *deployment,
                    const struct worker_process *worker)
{
    /* Everything in it is the deployment's: only the arrays are its own. */
    struct snapshot snapshot = {.generation = g->generation,
                                .ticket_key_count = g->ticket_key_count,
                                .waf = deployment->prepared.waf,
                                .roots = deployment->prepared.roots};
    unsigned workers = settings_workers(deployment->prepared.settings);

    memcpy(snapshot.ticket_keys, g->ticket_keys, sizeof snapshot.ticket_keys);
    memcpy(snapshot.quic_secret, g->quic_secret, sizeof snapshot.quic_secret);
    for (size_t i = 0; i < deployment->endpoints.count; i++)
        if (deployment->endpoints.items[i].datagrams)
            add_datagrams(&deployment->endpoints.items[i], worker, &snapshot);
        else
            add_listeners(&deployment->endpoints.items[i], worker->slot, workers, &snapshot);
    add_sites(deployment, &snapshot);
    guarded_find(g, deployment, &snapshot.guard);
    int r = snapshot_send(worker->child.socket, &snapshot, deployment->prepared.text);
    for (size_t i = 0; i < snapshot.site_count; i++)
        free(snapshot.sites[i].certificates);
    free(snapshot.sites);
    free(snapshot.listeners);
    free(snapshot.guard.items);
    explicit_bzero(&snapshot, sizeof snapshot);
    return r;
}
