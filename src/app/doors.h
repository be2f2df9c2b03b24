/* The processes that keep doors to the served ports open, and what crosses their sockets: one at a
 * home router, one in this machine's firewall. Each lives as long as gardien serves, or as its
 * setting wishes. */
#pragma once

#include <stdint.h>

#include "os/ports.h"
#include "report/finding.h"

enum { DOOR_NEWS_TEXT = 600 };

/** To the process: the ports that shall be open. The end of the socket: none any more. */
struct door_order {
    struct ports ports;
};

/** From the process: what people should know. */
struct door_news {
    int32_t level;             /**< enum log_level */
    char text[DOOR_NEWS_TEXT]; /**< ends with a NUL; maybe foreign */
};

/** What a process is told when it begins. */
struct door_start {
    const char *user;  /**< whom it may become; NULL: as it is */
    const char *state; /**< the state folder */
    int socket;        /**< SEQPACKET */
};

/** Sends a sentence to the guardian. @param level  enum log_level */
void door_tell(int socket, int level, const char *text);
/** The same of each finding, with its hint: warnings as such, the rest as notices. */
void door_tell_findings(int socket, const struct findings *findings);

/** Maps and renews at a home router until the socket ends, then takes the ports back, and ends the
 *  process. */
void router_process_run(const struct door_start *start) __attribute__((noreturn));
/** Opens in the firewall, as root, what is not open; when the socket ends it closes what it opened
 *  itself, and ends the process. */
void firewall_process_run(const struct door_start *start) __attribute__((noreturn));
