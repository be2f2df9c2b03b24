/* The eye: accepts, and gives each connection a process of its own, which has dropped its rights
 * before it reads a byte. It probes at the address that the connection came from and at no other.
 */
#pragma once

#include "base/log.h"
#include "eye/protocol.h"
#include "os/address.h"

struct eye_target {
    struct socket_address source; /**< the only address that may be probed; its port is 0 */
    const char *name;             /**< "" for none */
    uint16_t port;
    unsigned seconds;
};

/** Checks, in the process of the connection.
 *  @return what check_json() yields, a new reference, or NULL when it could not be done */
typedef json_t *eye_probe(const struct eye_target *wanted);

struct eye_options {
    const struct socket_address *listen;
    size_t listen_count; /**< 1..EYE_LISTEN_MAX */
    const struct eye_key *key;
    unsigned probes_a_minute; /**< of one source, 1..60 */
    const char *user; /**< whom connections become; NULL: who we are, without capabilities */
    const struct log *log;
    eye_probe *probe;
    void (*on_ready)(void *context);
    void *context;
};

enum {
    EYE_LISTEN_MAX = 8,
    EYE_PORT = 4434, /**< free for users, below the range of outgoing connections, and not 443: the
                          eye may stand beside a web server */
};

/** Runs until SIGTERM or SIGINT. @return 0, or an error with a diag */
must_check int eye_serve(const struct eye_options *options, struct diags *diags);
