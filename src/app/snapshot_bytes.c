/* Snapshots as bytes, without their descriptors. How both travel is snapshot.c's; what a snapshot
 * means is the worker's. */
#include "app/snapshot.h"

#include <stdlib.h>

#include "app/settings.h"
#include "base/buffer.h"
#include "base/mem.h"

/* Layout: magic, generation, settings text, listeners, sites, ticket keys, guard, rules,
 * certificates for upstream servers. Numbers in host order (both ends are this program), strings
 * with their length and a NUL. */
static const uint64_t magic = UINT64_C(0x32706e7364726167);

enum {
    LISTENERS_MAX = 65536,
    SITES_MAX = 10000,
    CERTIFICATES_MAX = 64,
    GUARDED_MAX = 100000,
    GROUPS_MAX = 100001
};

/* ---- bytes out ---- */

struct writer {
    struct buffer *out;
    int error;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
    if (w->error >= 0)
        w->error = buffer_append(w->out, bytes, len);
}

static void put_number(struct writer *w, uint64_t number)
{
    put(w, &number, sizeof number);
}

static void put_text(struct writer *w, const char *text)
{
    size_t len = text ? strlen(text) : 0;

    put_number(w, len);
    put(w, text ? text : "", len + 1);
}

static void put_listener(struct writer *w, const struct snapshot_listener *listener)
{
    put_number(w, listener->id);
    put_number(w, listener->fd != -1);
    put_number(w, listener->secure);
    put_number(w, listener->datagrams);
    put_number(w, listener->index);
    put_number(w, listener->proxy_protocol);
    put_number(w, listener->port);
    put_text(w, listener->address);
}

static void put_certificate(struct writer *w, const struct snapshot_certificate *certificate)
{
    size_t len = certificate->ocsp ? certificate->ocsp_len : 0;

    put_number(w, certificate->key_id);
    put_text(w, certificate->chain_pem);
    put_number(w, len);
    if (len == 0)
        return;
    put(w, certificate->ocsp, len);
    put_number(w, (uint64_t)certificate->ocsp_until);
    put(w, certificate->fingerprint, sizeof certificate->fingerprint);
}

static void put_site(struct writer *w, const struct snapshot_site *site)
{
    put_number(w, site->certificate_count);
    for (size_t i = 0; i < site->certificate_count; i++)
        put_certificate(w, &site->certificates[i]);
}

static void put_guard(struct writer *w, const struct files_guard *guard)
{
    put_number(w, guard->state.device);
    put_number(w, guard->state.inode);
    put_number(w, guard->count);
    put(w, guard->items ? (const void *)guard->items : "", guard->count * sizeof *guard->items);
}

static void put_roots(struct writer *w, const struct upstream_roots *roots)
{
    put_number(w, roots->count);
    for (size_t i = 0; i < roots->count; i++)
        put_text(w, roots->items[i]);
}

int snapshot_encode(const struct snapshot *snapshot, const char *config_text,
                    struct buffer *ret_bytes)
{
    struct buffer out = buffer_make(SNAPSHOT_MAX);
    struct writer w = {.out = &out};

    put_number(&w, magic);
    put_number(&w, snapshot->generation);
    put_text(&w, config_text);
    put_number(&w, snapshot->listener_count);
    for (size_t i = 0; i < snapshot->listener_count; i++)
        put_listener(&w, &snapshot->listeners[i]);
    put_number(&w, snapshot->site_count);
    for (size_t i = 0; i < snapshot->site_count; i++)
        put_site(&w, &snapshot->sites[i]);
    put_number(&w, snapshot->folder_count);
    put_number(&w, snapshot->ticket_key_count);
    put(&w, snapshot->ticket_keys, snapshot->ticket_key_count * TICKET_KEY_SIZE);
    put(&w, snapshot->quic_secret, sizeof snapshot->quic_secret);
    put_guard(&w, &snapshot->guard);
    put_text(&w, snapshot->waf);
    put_roots(&w, &snapshot->roots);
    if (w.error < 0) {
        buffer_finish(&out);
        return w.error;
    }
    *ret_bytes = out;
    return 0;
}

/* ---- bytes in ---- */

struct reader {
    struct span rest;
    bool broken;
};

static void get(struct reader *r, void *bytes, size_t len)
{
    if (r->broken || r->rest.len < len) {
        r->broken = true;
        memset(bytes, 0, len);
        return;
    }
    memcpy(bytes, r->rest.ptr, len);
    r->rest = span_from(r->rest, len);
}

/* @param max  a larger number breaks the snapshot */
static uint64_t get_number(struct reader *r, uint64_t max)
{
    uint64_t number;

    get(r, &number, sizeof number);
    if (number > max)
        r->broken = true;
    return r->broken ? 0 : number;
}

/* A string inside the bytes, or "" when broken. */
static const char *get_text(struct reader *r)
{
    uint64_t len = get_number(r, SNAPSHOT_MAX);

    if (r->broken || r->rest.len <= len || r->rest.ptr[len] != '\0' ||
        memchr(r->rest.ptr, '\0', len)) {
        r->broken = true;
        return "";
    }
    const char *text = r->rest.ptr;
    r->rest = span_from(r->rest, len + 1);
    return text;
}

static int get_fd(struct reader *r)
{
    return get_number(r, 1) ? SNAPSHOT_FD_DUE : -1;
}

/* A count of items of at least `size` bytes each, so that it cannot be larger than what is there.
 */
static size_t get_count(struct reader *r, size_t max, size_t size)
{
    uint64_t count = get_number(r, max);

    if (count > r->rest.len / size)
        r->broken = true;
    return r->broken ? 0 : count;
}

static void get_listeners(struct reader *r, struct snapshot *snapshot)
{
    size_t count = get_count(r, LISTENERS_MAX, 6 * sizeof(uint64_t) + 1);

    snapshot->listeners = mem_zalloc((count + 1) * sizeof *snapshot->listeners);
    for (; snapshot->listener_count < count && !r->broken; snapshot->listener_count++) {
        struct snapshot_listener *listener = &snapshot->listeners[snapshot->listener_count];
        listener->id = get_number(r, UINT64_MAX);
        listener->fd = get_fd(r);
        listener->secure = get_number(r, 1);
        listener->datagrams = get_number(r, 1);
        listener->index = (uint8_t)get_number(r, UINT8_MAX);
        listener->proxy_protocol = get_number(r, 1);
        listener->port = (uint16_t)get_number(r, 65535);
        listener->address = mem_string(span_str(get_text(r)));
    }
}

static void get_certificate(struct reader *r, struct snapshot_certificate *certificate)
{
    certificate->key_id = get_number(r, UINT64_MAX);
    certificate->chain_pem = mem_string(span_str(get_text(r)));
    certificate->ocsp_len = get_number(r, TLS_OCSP_MAX);
    if (certificate->ocsp_len == 0)
        return;
    certificate->ocsp = mem_alloc(certificate->ocsp_len);
    get(r, certificate->ocsp, certificate->ocsp_len);
    certificate->ocsp_until = (int64_t)get_number(r, INT64_MAX);
    get(r, certificate->fingerprint, sizeof certificate->fingerprint);
}

static void get_sites(struct reader *r, struct snapshot *snapshot)
{
    size_t count = get_count(r, SITES_MAX, sizeof(uint64_t));

    snapshot->sites = mem_zalloc((count + 1) * sizeof *snapshot->sites);
    for (; snapshot->site_count < count && !r->broken; snapshot->site_count++) {
        struct snapshot_site *site = &snapshot->sites[snapshot->site_count];
        size_t certificates = get_count(r, CERTIFICATES_MAX, 3 * sizeof(uint64_t) + 1);
        site->certificates = mem_zalloc((certificates + 1) * sizeof *site->certificates);
        for (; site->certificate_count < certificates; site->certificate_count++)
            get_certificate(r, &site->certificates[site->certificate_count]);
    }
}

static void get_folders(struct reader *r, struct snapshot *snapshot)
{
    snapshot->folder_count = get_number(r, SNAPSHOT_FDS_MAX);
    snapshot->folders = mem_alloc((snapshot->folder_count + 1) * sizeof(int));
    for (size_t i = 0; i < snapshot->folder_count; i++)
        snapshot->folders[i] = SNAPSHOT_FD_DUE;
}

static bool fits_settings(const struct snapshot *snapshot)
{
    size_t folders;

    free(settings_folders(snapshot->settings, &folders));
    return snapshot->settings->sites.count == snapshot->site_count &&
           folders == snapshot->folder_count;
}

static void get_guard(struct reader *r, struct files_guard *guard)
{
    guard->state.device = get_number(r, UINT64_MAX);
    guard->state.inode = get_number(r, UINT64_MAX);
    guard->count = get_count(r, GUARDED_MAX, sizeof *guard->items);
    guard->items = mem_zalloc((guard->count + 1) * sizeof *guard->items);
    get(r, guard->items, guard->count * sizeof *guard->items);
}

static void get_roots(struct reader *r, struct upstream_roots *roots)
{
    size_t count = get_count(r, GROUPS_MAX, sizeof(uint64_t) + 1);

    roots->items = mem_zalloc((count + 1) * sizeof *roots->items);
    for (; roots->count < count && !r->broken; roots->count++) {
        const char *text = get_text(r);
        roots->items[roots->count] = text[0] ? mem_string(span_str(text)) : NULL;
    }
}

int snapshot_decode(struct span bytes, struct snapshot **ret_snapshot)
{
    struct reader r = {.rest = bytes};
    struct snapshot *snapshot = mem_new(struct snapshot);
    int result = ERR_PROTOCOL;

    if (get_number(&r, UINT64_MAX) != magic)
        r.broken = true;
    snapshot->generation = get_number(&r, UINT64_MAX);
    const char *config_text = get_text(&r);
    get_listeners(&r, snapshot);
    get_sites(&r, snapshot);
    get_folders(&r, snapshot);
    snapshot->ticket_key_count = get_number(&r, TICKET_KEYS_MAX);
    get(&r, snapshot->ticket_keys, snapshot->ticket_key_count * TICKET_KEY_SIZE);
    get(&r, snapshot->quic_secret, sizeof snapshot->quic_secret);
    get_guard(&r, &snapshot->guard);
    const char *waf = get_text(&r);
    snapshot->waf = waf[0] ? mem_string(span_str(waf)) : NULL;
    get_roots(&r, &snapshot->roots);
    if (!r.broken && r.rest.len == 0)
        result = settings_parse(span_str(config_text), &snapshot->settings);
    if (result >= 0 && !fits_settings(snapshot))
        result = ERR_PROTOCOL;
    if (result < 0) {
        snapshot_destroy(snapshot);
        return result;
    }
    *ret_snapshot = snapshot;
    return 0;
}
