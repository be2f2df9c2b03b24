/* Certificates for verifying upstream servers. The system's come as one file wherever a
 * distribution has one, because a worker can read no folder of them. */
#include "app/upstream_roots.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/upstreams.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "cert/cert.h"

enum { ROOTS_MAX = 4 << 20 };

/** @return 0 with a text without NUL bytes; ERR_LIMIT, ERR_SYNTAX, -errno */
static int read_text(const char *path, char **ret_text)
{
    struct buffer bytes = buffer_make(ROOTS_MAX);
    struct stat st;
    ssize_t n = 1;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : ERR_SYNTAX;
    while (r >= 0 && n > 0) {
        r = buffer_reserve(&bytes, 65536);
        n = r < 0 ? 0 : read(fd, bytes.data + bytes.len, 65536);
        bytes.len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        r = -errno;
    close(fd);
    if (r >= 0 && bytes.len && memchr(bytes.data, '\0', bytes.len))
        r = ERR_SYNTAX;
    if (r >= 0)
        *ret_text = mem_string(buffer_span(&bytes));
    buffer_finish(&bytes);
    return r;
}

/** NULL when the system has no such file. */
static char *read_system(void)
{
    const char *given = getenv("SSL_CERT_FILE");
    const char *const paths[] = {
        given ? given : "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  /* Fedora */
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/var/lib/ca-certificates/ca-bundle.pem", /* SUSE */
        "/etc/ssl/cert.pem",
    };
    char *text;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (read_text(paths[i], &text) == 0)
            return text;
    return NULL;
}

static void note_secure(void *context, const struct upstream_address *address, nsec_t timeout)
{
    *(bool *)context |= address->secure;
}

static int load_file(const struct settings_loaded *loaded, const struct upstream_settings *group,
                     struct diags *diags, char **ret_text)
{
    const char *file = group->tls.ca_file;
    scoped(mem_release) char *text = NULL;

    int r = read_text(file, &text);
    if (r >= 0 && !strstr(text, "-----BEGIN CERTIFICATE-----"))
        r = ERR_SYNTAX;
    if (r < 0) {
        scoped(mem_release) char *path = mem_format("upstreams.%s.tls.ca_file", group->name);
        diag_hint(config_complain(loaded->tree, diags, path, "%s %s%s", file,
                                  r == ERR_SYNTAX ? "has no certificate in it" : "cannot be read: ",
                                  r == ERR_SYNTAX ? "" : error_text(r)),
                  "a certificate as text begins with -----BEGIN CERTIFICATE-----");
        return ERR_SETTINGS;
    }
    *ret_text = take(text);
    return 0;
}

int upstream_roots_load(const struct settings_loaded *loaded, struct diags *diags,
                        struct upstream_roots *ret_roots)
{
    const struct settings *settings = loaded->settings;
    const struct upstream_settings *groups = settings->upstreams.items;
    struct upstream_roots roots = {0};
    bool secure = false;
    int r = 0;

    upstreams_each(settings, note_secure, &secure);
    if (secure) {
        roots.count = settings->upstreams.count + 1;
        roots.items = mem_zalloc(roots.count * sizeof *roots.items);
        roots.items[0] = read_system();
    }
    for (size_t i = 1; i < roots.count; i++)
        if (groups[i - 1].tls.ca_file &&
            load_file(loaded, &groups[i - 1], diags, &roots.items[i]) < 0)
            r = ERR_SETTINGS;
    if (r < 0) {
        upstream_roots_finish(&roots);
        return r;
    }
    *ret_roots = roots;
    return 0;
}

struct span upstream_roots_of(const struct upstream_roots *roots, size_t group)
{
    const char *text = roots->count ? roots->items[0] : NULL;

    if (group < roots->count && group + 1 < roots->count && roots->items[group + 1])
        text = roots->items[group + 1];
    return text ? span_str(text) : SPAN("");
}

json_t *upstream_roots_to_json(const struct upstream_roots *roots)
{
    json_t *list = json_array();

    for (size_t i = 0; i < roots->count; i++)
        json_array_append_new(list, roots->items[i] ? json_string(roots->items[i]) : json_null());
    return list;
}

void upstream_roots_from_json(const json_t *from, struct upstream_roots *ret_roots)
{
    struct upstream_roots roots = {.count = json_array_size(from)};

    roots.items = mem_zalloc((roots.count + 1) * sizeof *roots.items);
    for (size_t i = 0; i < roots.count; i++) {
        const char *text = json_string_value(json_array_get(from, i));
        roots.items[i] = text ? mem_string(span_str(text)) : NULL;
    }
    *ret_roots = roots;
}

void upstream_roots_finish(struct upstream_roots *roots)
{
    for (size_t i = 0; i < roots->count; i++)
        free(roots->items[i]);
    free(roots->items);
    *roots = (struct upstream_roots){0};
}
