/* The asker's end: proves both sides to each other, asks for a check and takes the answer. Which
 * addresses an eye has, and what its answer means, is decided above. */
#pragma once

#include "eye/protocol.h"
#include "os/address.h"
#include "tls/tls.h"

struct eye_ask {
    struct socket_address eye; /**< with its port */
    const struct eye_key *key;
    struct tls_client_library *tls;
    const char *name; /**< for SNI and Host; NULL or "" for none */
    uint16_t port;    /**< that is probed, on this machine */
    unsigned seconds; /**< that the check may take, 1..EYE_SECONDS_MAX */
};

/** How far it came, for the sentence about an error. */
enum eye_stage { EYE_CONNECTING, EYE_HANDSHAKE, EYE_GREETING, EYE_PROVING, EYE_PROBING };

struct eye_outcome {
    enum eye_stage stage;
    struct socket_address local; /**< this machine's end of the connection, without a port */
    struct eye_answer answer;
};

/** Blocks for at most the seconds of the check and 15 more.
 *  @return 0 with the answer to be finished; ERR_NOT_FOUND: who answers does not prove that it
 *  knows the key; ERR_TIMEOUT, ERR_CLOSED, ERR_TLS, ERR_SYNTAX, ERR_LIMIT, -errno at the stage
 *  that is told in all cases */
must_check int eye_ask(const struct eye_ask *ask, struct eye_outcome *ret_outcome);
