/* The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who the client is when
 * another machine passes connections on. Only addresses that the settings trust may say so. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/span.h"
#include "protect/protect.h"

struct proxy_header {
    bool local; /**< the proxy speaks for itself (LOCAL, UNKNOWN): keep the socket's addresses */
    struct peer_address peer;
    uint16_t peer_port;
};

/** Reads a header at the front of `bytes`. Version 1 is at most 107 bytes, version 2 is refused
 * past 536 bytes. @return its length, 0 when more bytes are needed, ERR_SYNTAX when it is none */
must_check ssize_t proxy_protocol_parse(struct span bytes, struct proxy_header *ret_header);
