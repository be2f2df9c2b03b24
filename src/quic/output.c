/* What a connection sends: packets of equal size in a row, so that one system call takes them all.
 */
#include <string.h>

#include "base/error.h"
#include "quic/internal.h"

enum { BATCH_ROOM = 60 * 1024, PIECES = 16 };

struct batch {
    struct quic_connection *c;
    struct quic_batch out;
    uint8_t *room;
};

static void flush(struct batch *batch)
{
    batch->out.bytes.ptr = (const char *)batch->room;
    if (batch->out.bytes.len)
        batch->c->events->send(batch->c->owner, &batch->out);
    batch->out.bytes.len = 0;
}

static struct quic_address address_of(const ngtcp2_addr *from)
{
    struct quic_address address = {.len = from->addrlen};

    if (address.len > sizeof address.storage)
        address.len = sizeof address.storage;
    memcpy(&address.storage, from->addr, address.len);
    return address;
}

static bool same(const struct quic_address *a, const ngtcp2_addr *b)
{
    return a->len == b->addrlen && memcmp(&a->storage, b->addr, a->len) == 0;
}

/* A packet was written behind the others. */
static void add(struct batch *batch, const ngtcp2_path *path, uint8_t ecn, size_t len)
{
    bool fits = batch->out.bytes.len && len <= batch->out.segment && ecn == batch->out.ecn &&
                same(&batch->out.peer, &path->remote) && same(&batch->out.local, &path->local);

    if (!fits) {
        size_t at = batch->out.bytes.len;
        flush(batch);
        if (at)
            memmove(batch->room, batch->room + at, len);
        batch->out.segment = len;
        batch->out.ecn = ecn;
        batch->out.peer = address_of(&path->remote);
        batch->out.local = address_of(&path->local);
    }
    batch->out.bytes.len += len;
    if (len < batch->out.segment)
        flush(batch);
}

/* What ngtcp2 says of a stream that it was offered. @return 1 to go on; 0: see `error` */
static int refused(struct quic_connection *c, ngtcp2_ssize error, int64_t id, ngtcp2_ssize used)
{
    switch (error) {
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        return c->events->on_blocked(c->owner, id, false) == 0;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
        return c->events->on_blocked(c->owner, id, true) == 0;
    case NGTCP2_ERR_WRITE_MORE:
        return c->events->on_written(c->owner, id, (size_t)used) == 0;
    default:
        return 0;
    }
}

/* One packet. @return its length; 0 when nothing goes now; an error of ngtcp2 */
static ngtcp2_ssize write_packet(struct quic_connection *c, ngtcp2_path *path,
                                 ngtcp2_pkt_info *info, uint8_t *out, nsec_t now)
{
    size_t max = ngtcp2_conn_get_max_tx_udp_payload_size(c->quic);

    for (;;) {
        struct iovec pieces[PIECES];
        ngtcp2_vec vectors[PIECES];
        ngtcp2_ssize used = -1;
        int64_t id = -1;
        bool last = false;
        ssize_t count = 0;
        if (c->open && ngtcp2_conn_get_max_data_left(c->quic) > 0)
            count = c->events->next(c->owner, &id, &last, pieces, PIECES);
        if (count < 0)
            return NGTCP2_ERR_CALLBACK_FAILURE;
        for (ssize_t i = 0; i < count; i++)
            vectors[i] = (ngtcp2_vec){pieces[i].iov_base, pieces[i].iov_len};
        ngtcp2_ssize len = ngtcp2_conn_writev_stream(c->quic, path, info, out, max, &used,
                                                     NGTCP2_WRITE_STREAM_FLAG_MORE |
                                                         (last ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0),
                                                     id, vectors, (size_t)count, quic_time(now));
        if (len < 0 && id >= 0 && refused(c, len, id, used))
            continue;
        if (len >= 0 && used >= 0 && c->events->on_written(c->owner, id, (size_t)used) < 0)
            return NGTCP2_ERR_CALLBACK_FAILURE;
        return len;
    }
}

int quic_produce(struct quic_connection *c, size_t budget, nsec_t now)
{
    static uint8_t room[BATCH_ROOM];
    struct batch batch = {.c = c, .room = room};
    ngtcp2_path_storage path;
    size_t sent = 0;
    ngtcp2_ssize len = 1;

    if (c->no_more || ngtcp2_conn_in_draining_period(c->quic))
        return ERR_CLOSED;
    ngtcp2_path_storage_zero(&path);
    while (len > 0 && sent < budget) {
        ngtcp2_pkt_info info;
        if (batch.out.bytes.len + ngtcp2_conn_get_max_tx_udp_payload_size(c->quic) > sizeof room)
            flush(&batch);
        len = write_packet(c, &path.path, &info, room + batch.out.bytes.len, now);
        if (len > 0) {
            add(&batch, &path.path, info.ecn, (size_t)len);
            sent += (size_t)len;
        }
    }
    flush(&batch);
    ngtcp2_conn_update_pkt_tx_time(c->quic, quic_time(now));
    if (len < 0)
        return quic_note_error(c, (int)len);
    return len > 0;
}
