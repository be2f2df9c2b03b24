/* Who listens on a TCP port of this machine: asked of the kernel (sock_diag), with the program
 * found through /proc. Nothing is changed. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

struct listener_owner {
    char address[64]; /**< "0.0.0.0:443", "[::]:443" */
    uid_t uid;        /**< of who made the socket */
    pid_t pid;        /**< 0 when we may not see it */
    char program[64]; /**< "nginx"; "" when pid is 0 */
};

/** Finds sockets that listen on a port, each with one process that holds it.
 *  @return how many were found and written, 0..room; -errno when the kernel cannot be asked
 *  Source: sock_diag(7) */
must_check int listeners_find(uint16_t port, struct listener_owner *owners, size_t room);
