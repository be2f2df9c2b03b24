/* A server's side for fuzzed datagrams: no certificate, no sites, nothing is sent. */
#pragma once

#include "quic/quic.h"
#include "tls/tls.h"

struct peer {
    struct tls_library *library;
    struct tls_context *context;
    struct quic_endpoint *endpoint;
    struct quic_connection *connection; /**< NULL: none has begun */
    nsec_t now;
};

/** The same one each time, with no connection. */
struct peer *peer_get(void);
/** Takes a datagram as a server would. */
void peer_take(struct peer *peer, struct span bytes);
/** Ends the connection, if one has begun. */
void peer_end(struct peer *peer);
