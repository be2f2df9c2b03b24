/* The process that keeps ports mapped at a home router, and what crosses its socket. */
#pragma once

#include <stdint.h>

#include "firewall/firewall.h"

enum { ROUTER_NEWS_TEXT = 600 };

/** To the process: the ports that shall be mapped. The end of the socket: none any more. */
struct router_order {
    struct ports ports;
};

/** From the process: what people should know. */
struct router_news {
    int32_t level;               /**< enum log_level */
    char text[ROUTER_NEWS_TEXT]; /**< ends with a NUL; maybe foreign */
};

/** Maps and renews until the socket ends, then takes the ports back, and ends the process.
 *  @param user    whom it becomes; NULL: as it is
 *  @param socket  SEQPACKET */
void router_process_run(const char *user, int socket) __attribute__((noreturn));
