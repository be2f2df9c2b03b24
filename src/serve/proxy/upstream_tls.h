/* TLS to upstream servers: what is trusted, and the records of one connection. */
#pragma once

#include <sys/types.h>

#include "base/list.h"
#include "base/span.h"

struct proxy;
struct tls_client_library;
struct upstream_connection;

/** What groups with the same trust share. */
struct upstream_tls {
    unsigned references;
    struct list link; /* in proxy->trusts */
    uint64_t id;      /* hash of the certificates */
    bool verify;
    struct tls_client_library *library; /* NULL: there is nothing to verify with */
};

/** @param roots  certificates to trust, PEM. @return with one reference */
struct upstream_tls *upstream_tls_get(struct proxy *proxy, bool verify, struct span roots);
/** NULL is fine. */
void upstream_tls_unref(struct upstream_tls *tls);

/** Begins the handshake of a new connection. @return 0, or ERR_TLS */
must_check int connection_tls_begin(struct upstream_connection *c);
/** Goes on with it, and ends it with upstream_handshake_over(); the connection is gone then if it
 *  failed. */
void connection_tls_handshake(struct upstream_connection *c);
/** Hands the engine what is in the records.
 *  @return 0; a negative error: the connection has ended */
must_check int connection_tls_receive(struct upstream_connection *c, struct span records);
/** Sends plaintext in records. @return bytes that went out, or ERR_TLS */
must_check ssize_t connection_tls_send(struct upstream_connection *c, struct span plain);
void connection_tls_finish(struct upstream_connection *c);
