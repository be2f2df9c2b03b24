/* The client of a connection, as policies, handlers and loggers see it. */
#pragma once

#include <stdbool.h>

#include "protect/peers.h"

struct client {
    struct peer_address address; /**< the one that the PROXY header names, where there is one */
    uint16_t port;
    uint16_t local_port;
    bool named;   /**< by a PROXY header: packets come from somebody else */
    bool secure;  /**< over TLS */
    bool counted; /**< protect_accept() counted it: protect_release() is due */
    bool tls_resumed;
    const char *tls_version; /**< "TLSv1.3"; NULL over plain HTTP */
    const char *tls_cipher;
};
