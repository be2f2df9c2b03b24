/* Snapshots as bytes in a memfd, with their descriptors in numbered parts. What a snapshot means is
 * the worker's; how its parts came to be is the guardian's. */
#include "app/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/settings.h"
#include "base/buffer.h"
#include "base/mem.h"

/* Layout: magic, generation, settings text, listeners, sites, ticket keys. Numbers in host order
 * (both ends are this program), strings with their length and a NUL. */
static const uint64_t magic = UINT64_C(0x31706e7364726167);

enum { LISTENERS_MAX = 65536, SITES_MAX = 10000, CERTIFICATES_MAX = 64 };

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
    put_number(w, listener->proxy_protocol);
    put_number(w, listener->port);
    put_text(w, listener->address);
}

static void put_site(struct writer *w, const struct snapshot_site *site)
{
    put_number(w, site->root_fd != -1);
    put_number(w, site->certificate_count);
    for (size_t i = 0; i < site->certificate_count; i++) {
        put_number(w, site->certificates[i].key_id);
        put_text(w, site->certificates[i].chain_pem);
    }
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
    put_number(&w, snapshot->ticket_key_count);
    put(&w, snapshot->ticket_keys, snapshot->ticket_key_count * TICKET_KEY_SIZE);
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

/* @param most  a larger number breaks the snapshot */
static uint64_t get_number(struct reader *r, uint64_t most)
{
    uint64_t number;

    get(r, &number, sizeof number);
    if (number > most)
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
static size_t get_count(struct reader *r, size_t most, size_t size)
{
    uint64_t count = get_number(r, most);

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
        listener->proxy_protocol = get_number(r, 1);
        listener->port = (uint16_t)get_number(r, 65535);
        listener->address = mem_string(span_str(get_text(r)));
    }
}

static void get_sites(struct reader *r, struct snapshot *snapshot)
{
    size_t count = get_count(r, SITES_MAX, 2 * sizeof(uint64_t));

    snapshot->sites = mem_zalloc((count + 1) * sizeof *snapshot->sites);
    for (; snapshot->site_count < count && !r->broken; snapshot->site_count++) {
        struct snapshot_site *site = &snapshot->sites[snapshot->site_count];
        site->root_fd = get_fd(r);
        size_t certificates = get_count(r, CERTIFICATES_MAX, 2 * sizeof(uint64_t) + 1);
        site->certificates = mem_zalloc((certificates + 1) * sizeof *site->certificates);
        for (; site->certificate_count < certificates; site->certificate_count++) {
            struct snapshot_certificate *c = &site->certificates[site->certificate_count];
            c->key_id = get_number(r, UINT64_MAX);
            c->chain_pem = mem_string(span_str(get_text(r)));
        }
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
    snapshot->ticket_key_count = get_number(&r, TICKET_KEYS_MAX);
    get(&r, snapshot->ticket_keys, snapshot->ticket_key_count * TICKET_KEY_SIZE);
    if (!r.broken && r.rest.len == 0)
        result = settings_parse(span_str(config_text), &snapshot->settings);
    if (result >= 0 && snapshot->settings->sites.count != snapshot->site_count)
        result = ERR_PROTOCOL;
    if (result < 0) {
        snapshot_destroy(snapshot);
        return result;
    }
    *ret_snapshot = snapshot;
    return 0;
}

/* ---- descriptors ---- */

/* Calls `visit` for each place of a descriptor in their order on the wire. */
static void each_fd(struct snapshot *snapshot, void (*visit)(void *context, int *fd), void *context)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        visit(context, &snapshot->listeners[i].fd);
    for (size_t i = 0; i < snapshot->site_count; i++)
        visit(context, &snapshot->sites[i].root_fd);
}

struct fd_list {
    int *fds;
    size_t count;
    size_t at;
};

static void gather(void *context, int *fd)
{
    struct fd_list *list = context;

    if (*fd == -1)
        return;
    if ((list->count & (list->count - 1)) == 0)
        list->fds = mem_resize(list->fds, list->count ? list->count * 2 : 1, sizeof(int));
    list->fds[list->count++] = *fd;
}

static void place(void *context, int *fd)
{
    struct fd_list *list = context;

    if (*fd == SNAPSHOT_FD_DUE && list->at < list->count) {
        *fd = list->fds[list->at];
        list->fds[list->at++] = -1;
    }
}

static void count_due(void *context, int *fd)
{
    if (*fd == SNAPSHOT_FD_DUE)
        ++*(size_t *)context;
}

static void close_fd(void *context, int *fd)
{
    (void)context;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void snapshot_destroy(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    each_fd(snapshot, close_fd, NULL);
    for (size_t i = 0; i < snapshot->listener_count; i++)
        free(snapshot->listeners[i].address);
    for (size_t i = 0; i < snapshot->site_count; i++) {
        for (size_t c = 0; c < snapshot->sites[i].certificate_count; c++)
            free(snapshot->sites[i].certificates[c].chain_pem);
        free(snapshot->sites[i].certificates);
    }
    explicit_bzero(snapshot->ticket_keys, sizeof snapshot->ticket_keys);
    settings_destroy(snapshot->settings);
    free(snapshot->listeners);
    free(snapshot->sites);
    free(snapshot);
}

/* ---- sending ---- */

/* The bytes in a sealed memfd. @return a descriptor, or -errno */
static int to_memory(struct span bytes)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);

    for (size_t done = 0; fd >= 0 && done < bytes.len;) {
        ssize_t n = pwrite(fd, bytes.ptr + done, bytes.len - done, (off_t)done);
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        int error = errno;
        close(fd);
        return -error;
    }
    return fd < 0 ? -errno : fd;
}

/* The first part carries the memfd, all carry descriptors; the text of each is their whole number.
 */
static int send_parts(int socket, uint64_t generation, int memory_fd, const struct fd_list *list)
{
    struct ipc_message message = {.kind = IPC_SNAPSHOT, .value = generation};
    uint64_t wanted = list->count + 1;
    size_t at = 0;
    int r;

    memcpy(message.text, &wanted, sizeof wanted);
    message.text_len = sizeof wanted;
    message.fds[message.fd_count++] = memory_fd;
    do {
        while (at < list->count && message.fd_count < IPC_FDS_MAX)
            message.fds[message.fd_count++] = list->fds[at++];
        r = ipc_send(socket, &message);
        message.fd_count = 0;
    } while (r >= 0 && at < list->count);
    return r;
}

int snapshot_send(int socket, const struct snapshot *snapshot, const char *config_text)
{
    struct buffer bytes;
    struct snapshot view = *snapshot;
    struct fd_list list = {NULL};

    int r = snapshot_encode(snapshot, config_text, &bytes);
    if (r < 0)
        return r;
    each_fd(&view, gather, &list);
    r = to_memory(buffer_span(&bytes));
    explicit_bzero(bytes.data, bytes.len);
    buffer_finish(&bytes);
    if (r >= 0) {
        int memory_fd = r;
        r = send_parts(socket, snapshot->generation, memory_fd, &list);
        close(memory_fd);
    }
    free(list.fds);
    explicit_bzero(&view, sizeof view);
    return r;
}

/* ---- receiving ---- */

void snapshot_inbox_finish(struct snapshot_inbox *inbox)
{
    if (inbox->fd_wanted) {
        for (size_t i = 0; i < inbox->fd_count; i++)
            if (inbox->fds[i] >= 0)
                close(inbox->fds[i]);
        free(inbox->fds);
    }
    *inbox = (struct snapshot_inbox){0};
}

/* @return whether the message begins or continues what the inbox holds */
static bool fits(const struct snapshot_inbox *inbox, const struct ipc_message *message,
                 uint64_t wanted)
{
    if (message->kind != IPC_SNAPSHOT || message->fd_count == 0)
        return false;
    if (wanted == 0 || wanted > SNAPSHOT_FDS_MAX)
        return false;
    if (inbox->fd_wanted && (inbox->generation != message->value || inbox->fd_wanted != wanted))
        return false;
    return message->fd_count <= wanted - inbox->fd_count;
}

static void take_fds(struct snapshot_inbox *inbox, struct ipc_message *message, size_t wanted)
{
    if (!inbox->fd_wanted) {
        inbox->fd_wanted = wanted;
        inbox->generation = message->value;
        inbox->fds = mem_alloc(wanted * sizeof(int));
    }
    for (size_t i = 0; i < message->fd_count; i++) {
        inbox->fds[inbox->fd_count++] = message->fds[i];
        message->fds[i] = -1;
    }
}

/* Reads the whole memfd. @return 0, ERR_PROTOCOL, -errno */
static int read_memory(int fd, struct buffer *bytes)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0 || st.st_size > SNAPSHOT_MAX)
        return ERR_PROTOCOL;
    int r = buffer_reserve(bytes, (size_t)st.st_size);
    while (r >= 0 && bytes->len < (size_t)st.st_size) {
        ssize_t n =
            pread(fd, bytes->data + bytes->len, (size_t)st.st_size - bytes->len, (off_t)bytes->len);
        if (n <= 0)
            return n < 0 ? -errno : ERR_PROTOCOL;
        bytes->len += (size_t)n;
    }
    return r;
}

static int assemble(struct snapshot_inbox *inbox, struct snapshot **ret_snapshot)
{
    struct buffer bytes = buffer_make(SNAPSHOT_MAX);
    struct fd_list list = {.fds = inbox->fds, .count = inbox->fd_count, .at = 1};
    struct snapshot *snapshot = NULL;
    size_t due = 0;

    int r = read_memory(inbox->fds[0], &bytes);
    if (r >= 0)
        r = snapshot_decode(buffer_span(&bytes), &snapshot);
    if (bytes.data)
        explicit_bzero(bytes.data, bytes.len);
    buffer_finish(&bytes);
    if (r < 0)
        return r;
    each_fd(snapshot, count_due, &due);
    if (due != list.count - 1 || snapshot->generation != inbox->generation) {
        snapshot_destroy(snapshot);
        return ERR_PROTOCOL;
    }
    each_fd(snapshot, place, &list);
    *ret_snapshot = snapshot;
    return 1;
}

int snapshot_receive(struct snapshot_inbox *inbox, struct ipc_message *message,
                     struct snapshot **ret_snapshot)
{
    uint64_t wanted = 0;

    if (message->text_len == sizeof wanted)
        memcpy(&wanted, message->text, sizeof wanted);
    if (!fits(inbox, message, wanted)) {
        snapshot_inbox_finish(inbox);
        return ERR_PROTOCOL;
    }
    take_fds(inbox, message, wanted);
    if (inbox->fd_count < inbox->fd_wanted)
        return 0;
    int r = assemble(inbox, ret_snapshot);
    snapshot_inbox_finish(inbox);
    return r;
}
