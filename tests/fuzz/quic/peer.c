/* The owner of a connection that does nothing. */
#include "peer.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/error.h"

static void on_cid(void *owner, const struct quic_cid *cid, bool added)
{
    (void)owner;
    (void)cid;
    (void)added;
}

static int on_open(void *owner)
{
    (void)owner;
    abort(); /* without a certificate no handshake completes */
}

static ssize_t next(void *owner, int64_t *ret_id, bool *ret_last, struct iovec *pieces, size_t max)
{
    (void)owner;
    (void)ret_last;
    (void)pieces;
    (void)max;
    *ret_id = -1;
    return 0;
}

static void send_nothing(void *owner, const struct quic_batch *batch)
{
    (void)owner;
    if (batch->bytes.len == 0 || batch->segment == 0)
        abort();
}

static const struct quic_events events = {
    .on_cid = on_cid, .on_open = on_open, .next = next, .send = send_nothing};

struct peer *peer_get(void)
{
    static struct peer peer;
    static const struct tls_settings settings = {0};
    static const uint8_t secret[QUIC_SECRET_SIZE] = {1};

    if (!peer.library && (tls_library_create(&peer.library) < 0 ||
                          tls_context_create(&settings, peer.library, NULL, 0, &peer.context) < 0 ||
                          quic_endpoint_create(peer.library, secret, 3, &peer.endpoint) < 0))
        abort();
    peer.now = NSEC_PER_SEC;
    return &peer;
}

static int begin(struct peer *peer, const struct quic_datagram *datagram, bool retry)
{
    const struct quic_limits limits = {65536, 262144, 100, 10 * NSEC_PER_SEC, 30 * NSEC_PER_SEC};
    uint8_t reply[QUIC_REPLY_MAX];
    struct quic_hello hello;
    size_t len;

    enum quic_look look =
        quic_look(peer->endpoint, datagram, retry, peer->now, &hello, reply, &len);
    if (len > datagram->bytes.len && look == QUIC_REPLY)
        abort(); /* an answer to whom nobody has asked must not be larger than the question */
    if (look != QUIC_BEGIN)
        return -1;
    const struct quic_beginning beginning = {peer->endpoint, peer->context, &hello, datagram,
                                             &limits,        &events,       peer};
    return quic_accept(&beginning, peer->now, &peer->connection);
}

void peer_take(struct peer *peer, struct span bytes)
{
    struct quic_address local = {.len = sizeof(struct sockaddr_in)}, remote = local;
    const struct quic_datagram datagram = {bytes, &local, &remote, 0};
    struct quic_cid cid;

    local.storage.ss_family = remote.storage.ss_family = AF_INET;
    ((struct sockaddr_in *)&remote.storage)->sin_port = htons(4000);
    if (quic_destination(bytes, &cid) < 0)
        return;
    if (!peer->connection && begin(peer, &datagram, false) < 0) {
        (void)begin(peer, &datagram, true);
        return;
    }
    int r = quic_receive(peer->connection, &datagram, peer->now);
    peer->now += NSEC_PER_MSEC;
    if (r >= 0)
        r = quic_produce(peer->connection, 65536, peer->now);
    if (r < 0 && r != ERR_CLOSED)
        quic_close(peer->connection, peer->now);
    if (r < 0)
        peer_end(peer);
}

void peer_end(struct peer *peer)
{
    quic_destroy(take(peer->connection));
}
