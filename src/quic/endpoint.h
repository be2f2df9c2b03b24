/* What the connections of one socket share: how their connection IDs look, and what is answered to
 * datagrams that belong to none of them (RFC 9000 sections 5.2, 6, 8.1 and 10.3). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/nsec.h"
#include "base/span.h"
#include "os/net.h"

struct quic_endpoint;
struct tls_library;

enum {
    QUIC_CID_LEN = 18,      /**< of ours; the first byte is the socket's index in its group */
    QUIC_CID_MARK = 0xa5,   /**< the second is that xor this, */
    QUIC_CID_MARK_2 = 0x3c, /**< and the third xor this, to tell ours from a client's */
    QUIC_CID_MAX = 20,
    QUIC_SECRET_SIZE = 32,
    QUIC_REPLY_MAX = 256, /**< room for what quic_look() answers */
    QUIC_TOKEN_MAX = 96,
};

/** A connection ID (RFC 9000 section 5.1). */
struct quic_cid {
    uint8_t len;
    uint8_t bytes[QUIC_CID_MAX];
};

struct quic_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/** A datagram that came. */
struct quic_datagram {
    struct span bytes;
    const struct quic_address *local;
    const struct quic_address *peer;
    uint8_t ecn; /**< the two bits of RFC 3168 */
};

/** A client's first packet, if it may begin a connection. */
struct quic_hello {
    struct quic_cid dcid; /**< that the client chose, or that Retry gave it */
    struct quic_cid scid;
    struct quic_cid original; /**< that the client chose first, where `retried` */
    struct span token;        /**< in the datagram */
    uint32_t version;
    bool retried;   /**< it answers our Retry */
    bool validated; /**< its address is known to be its own */
};

enum quic_look {
    QUIC_DROP,
    QUIC_REPLY, /**< the answer is written */
    QUIC_BEGIN, /**< a connection may begin */
};

/** @param secret  QUIC_SECRET_SIZE bytes, the same for all endpoints whose tokens and resets are to
 *                 be known to each other
 *  @return 0, or ERR_TLS */
must_check int quic_endpoint_create(struct tls_library *library, const uint8_t *secret,
                                    uint8_t index, struct quic_endpoint **ret_endpoint);
/** Its connections must be gone. NULL is fine. */
void quic_endpoint_destroy(struct quic_endpoint *endpoint);

/** The connection ID that a datagram is for. @return 0, or ERR_SYNTAX for no packet of QUIC */
must_check int quic_destination(struct span datagram, struct quic_cid *ret_cid);
/** Looks at a datagram whose connection ID nobody has.
 *  @param retry  a client without a token has to show its address first
 *  @param reply  room for QUIC_REPLY_MAX bytes; never more than the datagram has is written */
enum quic_look quic_look(struct quic_endpoint *endpoint, const struct quic_datagram *datagram,
                         bool retry, nsec_t now, struct quic_hello *ret_hello, uint8_t *reply,
                         size_t *ret_len);
