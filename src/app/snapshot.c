/* Snapshots on their way: bytes in a memfd, descriptors beside them in numbered parts. The bytes
 * are snapshot_bytes.c's; how a snapshot came to be is the guardian's. */
#include "app/snapshot.h"

#include <stdlib.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/settings.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

/* ---- descriptors ---- */

/* Calls `visit` for each place of a descriptor in their order on the wire. */
static void each_fd(struct snapshot *snapshot, void (*visit)(void *context, int *fd), void *context)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        visit(context, &snapshot->listeners[i].fd);
    for (size_t i = 0; i < snapshot->folder_count; i++)
        visit(context, &snapshot->folders[i]);
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
        for (size_t c = 0; c < snapshot->sites[i].certificate_count; c++) {
            free(snapshot->sites[i].certificates[c].chain_pem);
            free(snapshot->sites[i].certificates[c].ocsp);
        }
        free(snapshot->sites[i].certificates);
    }
    explicit_bzero(snapshot->ticket_keys, sizeof snapshot->ticket_keys);
    explicit_bzero(snapshot->quic_secret, sizeof snapshot->quic_secret);
    settings_destroy(snapshot->settings);
    free(snapshot->listeners);
    free(snapshot->sites);
    free(snapshot->folders);
    free(snapshot->guard.items);
    free(snapshot->waf);
    upstream_roots_finish(&snapshot->roots);
    free(snapshot);
}

/* ---- sending ---- */

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
    r = ipc_memory(buffer_span(&bytes));
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

static int assemble(struct snapshot_inbox *inbox, struct snapshot **ret_snapshot)
{
    struct buffer bytes = buffer_make(SNAPSHOT_MAX);
    struct fd_list list = {.fds = inbox->fds, .count = inbox->fd_count, .at = 1};
    struct snapshot *snapshot = NULL;
    size_t due = 0;

    int r = ipc_memory_read(inbox->fds[0], &bytes);
    if (r == ERR_LIMIT || r == ERR_CHANGED)
        r = ERR_PROTOCOL;
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
