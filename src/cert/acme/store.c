/* What ACME keeps in the state folder. */
#include "cert/acme/store.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/acme/message.h"
#include "cert/file.h"

enum { TEXT_MAX = 64 << 10, ERROR_MAX = 512 };

#define CERTIFICATES "certificates"

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/** The name of a file for a host name or a URL: no slash, no leading dot. @return for free() */
static char *file_name(struct span text)
{
    char *name = mem_string(text.len ? text : SPAN("_"));

    for (char *c = name; *c; c++)
        if (*c == '/' || *c == '*' || (unsigned char)*c <= ' ')
            *c = *c == '*' ? '_' : '-';
    if (name[0] == '.')
        name[0] = '_';
    return name;
}

/* ---- folders ---- */

int acme_store_open(int state_fd, const char *directory_url)
{
    struct span place = span_str(directory_url);

    if (span_starts(place, SPAN("https://")))
        place = span_from(place, 8);
    if (place.len > 200)
        place.len = 200;
    scoped(mem_release) char *name = file_name(place);
    scoped(close_fd) int acme = file_open_folder(state_fd, "acme");
    return acme < 0 ? acme : file_open_folder(acme, name);
}

int acme_store_order(int ca_fd, const char *name)
{
    scoped(mem_release) char *file = file_name(span_str(name));
    scoped(close_fd) int orders = file_open_folder(ca_fd, "orders");

    return orders < 0 ? orders : file_open_folder(orders, file);
}

/* ---- JSON files ---- */

/** @return a JSON object for json_decref(), or NULL with the error */
static json_t *load(int folder, const char *file, int *ret_error)
{
    struct buffer bytes;

    *ret_error = file_read(folder, file, TEXT_MAX, &bytes);
    if (*ret_error < 0)
        return NULL;
    json_t *root =
        json_loadb(bytes.data ? bytes.data : "", bytes.len, JSON_REJECT_DUPLICATES, NULL);
    buffer_finish(&bytes);
    if (json_is_object(root))
        return root;
    json_decref(root);
    *ret_error = ERR_SYNTAX;
    return NULL;
}

static int save(int folder, const char *file, json_t *root)
{
    scoped(mem_release) char *text =
        root ? json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;

    json_decref(root);
    return text ? file_replace(folder, file, 0600, span_str(text)) : -ENOMEM;
}

static char *copy(const json_t *root, const char *key)
{
    const json_t *value = json_object_get(root, key);

    return json_is_string(value) ? mem_string(span_str(json_string_value(value))) : NULL;
}

int acme_store_account(int ca_fd, char **ret_url)
{
    int r;
    json_t *root = load(ca_fd, "account.json", &r);

    if (!root)
        return r == -ENOENT ? ERR_NOT_FOUND : r;
    char *url = copy(root, "url");
    json_decref(root);
    if (!url || strncmp(url, "https://", 8) != 0) {
        free(url);
        return ERR_SYNTAX;
    }
    *ret_url = url;
    return 0;
}

int acme_store_save_account(int ca_fd, const char *url)
{
    return save(ca_fd, "account.json", json_pack("{s:s}", "url", url));
}

void acme_record_finish(struct acme_record *record)
{
    free(record->order_url);
    free(record->token);
    free(record->names);
    free(record->renews);
    free(record->last_error);
    *record = (struct acme_record){0};
}

int acme_store_record(int order_fd, struct acme_record *ret_record)
{
    int r;
    json_t *root = load(order_fd, "order.json", &r);

    *ret_record = (struct acme_record){0};
    if (!root)
        return r == -ENOENT || r == ERR_SYNTAX || r == ERR_LIMIT ? 0 : r;
    json_int_t failures = json_integer_value(json_object_get(root, "failures"));
    *ret_record = (struct acme_record){
        .order_url = copy(root, "order"),
        .token = copy(root, "token"),
        .names = copy(root, "names"),
        .failures = failures < 0      ? 0
                    : failures > 1000 ? 1000
                                      : (unsigned)failures,
        .retry_at = json_integer_value(json_object_get(root, "retry_at")),
        .renew_at = json_integer_value(json_object_get(root, "renew_at")),
        .renews = copy(root, "renews"),
        .last_error = copy(root, "last_error"),
    };
    json_decref(root);
    if (ret_record->order_url && strncmp(ret_record->order_url, "https://", 8) != 0)
        free(take(ret_record->order_url));
    return 0;
}

int acme_store_save_record(int order_fd, const struct acme_record *record)
{
    return save(order_fd, "order.json",
                json_pack("{s:s*, s:s*, s:s*, s:i, s:I, s:I, s:s*, s:s*}", "order",
                          record->order_url, "token", record->token, "names", record->names,
                          "failures", (int)record->failures, "retry_at",
                          (json_int_t)record->retry_at, "renew_at", (json_int_t)record->renew_at,
                          "renews", record->renews, "last_error", record->last_error));
}

/* ---- keys ---- */

static char *temporary_name(const char *file)
{
    return mem_format(".%s.new", file);
}

int acme_store_open_key(int folder, const char *file)
{
    int fd = openat(folder, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

int acme_store_new_key(int folder, const char *file)
{
    scoped(mem_release) char *name = temporary_name(file);

    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        return -errno;
    int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

int acme_store_keep_key(int folder, const char *file)
{
    scoped(mem_release) char *name = temporary_name(file);

    if (renameat(folder, name, folder, file) < 0 || fsync(folder) < 0)
        return -errno;
    return 0;
}

int acme_store_open_secret(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

/* ---- pairs ---- */

char *acme_store_path(const char *name, const char *file)
{
    scoped(mem_release) char *folder = file_name(span_str(name));

    return mem_format(CERTIFICATES "/%s/current/%s", folder, file);
}

/** The number that `current` leads to, or 0. */
static unsigned current_version(int folder)
{
    char target[16];
    uint64_t number;
    ssize_t len = readlinkat(folder, "current", target, sizeof target);

    if (len <= 0 || len == sizeof target ||
        span_to_uint(span_of(target, (size_t)len), &number) < 0 || number > 1000000000)
        return 0;
    return (unsigned)number;
}

static int point_current(int folder, unsigned version)
{
    char target[16];

    snprintf(target, sizeof target, "%u", version);
    if (unlinkat(folder, ".current.new", 0) < 0 && errno != ENOENT)
        return -errno;
    if (symlinkat(target, folder, ".current.new") < 0 ||
        renameat(folder, ".current.new", folder, "current") < 0 || fsync(folder) < 0)
        return -errno;
    return 0;
}

static void remove_version(int folder, unsigned version)
{
    char name[16];

    snprintf(name, sizeof name, "%u", version);
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)unlinkat(fd, "chain.pem", 0); /* what stays behind is removed with the next version */
    (void)unlinkat(fd, "key.pem", 0);
    close(fd);
    (void)unlinkat(folder, name, AT_REMOVEDIR);
}

/** Fills the folder of a version: the chain is written, the key's file linked. */
static int fill_version(int folder, unsigned version, int order_fd, struct span chain_pem)
{
    char name[16];

    remove_version(folder, version); /* of a run that was cut short */
    snprintf(name, sizeof name, "%u", version);
    scoped(close_fd) int fd = file_open_folder(folder, name);
    if (fd < 0)
        return fd;
    if (linkat(order_fd, "key.pem", fd, "key.pem", 0) < 0)
        return -errno;
    return file_replace(fd, "chain.pem", 0644, chain_pem);
}

int acme_store_install(int state_fd, const char *name, int order_fd, struct span chain_pem)
{
    scoped(mem_release) char *file = file_name(span_str(name));
    scoped(close_fd) int all = file_open_folder(state_fd, CERTIFICATES);
    scoped(close_fd) int folder = all < 0 ? all : file_open_folder(all, file);

    if (folder < 0)
        return folder;
    unsigned old = current_version(folder), version = old + 1;
    int r = fill_version(folder, version, order_fd, chain_pem);
    if (r == 0)
        r = point_current(folder, version);
    if (r < 0) {
        remove_version(folder, version);
        return r;
    }
    if (unlinkat(order_fd, "key.pem", 0) < 0 && errno != ENOENT)
        return -errno;
    if (old > 1)
        remove_version(folder, old - 1);
    return 0;
}
