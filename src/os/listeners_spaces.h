/* Listening sockets of other network namespaces: those of containers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "os/sockdiag.h"

struct listeners_space_socket {
    struct sockdiag_socket socket;
    uint64_t space; /**< inode of the namespace */
    int connects;   /**< see struct listener */
};

struct listeners_spaces {
    struct listeners_space_socket *items;
    size_t count;
    size_t dropped;
    size_t looked; /**< namespaces */
    size_t hidden; /**< namespaces that we may not enter */
    size_t veiled; /**< processes whose namespace we may not know */
};

/** Looks into each network namespace that a process has and we do not, from a child that enters one
 *  after another, for at most 5 s.
 *  @param connect_most  ms for a connection to each TCP socket; 0: none is tried */
void listeners_spaces_look(const uint16_t *ports, size_t count, int connect_most,
                           struct listeners_spaces *ret_spaces);
void listeners_spaces_finish(struct listeners_spaces *spaces);
