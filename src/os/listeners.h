/* Who listens on ports of this machine: the kernel's sockets (sock_diag) with the programs that
 * hold them (/proc), containers and other network namespaces included. Nothing is changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "os/sockdiag.h"

enum {
    LISTENER_HOLDERS_MAX = 32, /**< processes named of one listener */
    LISTENER_SPACES_MAX = 512, /**< network namespaces looked into */
};

struct listener_holder {
    pid_t pid;
    unsigned uid;     /**< the process's effective user */
    char program[64]; /**< "nginx", as `ps -o comm` shows it; somebody else's text */
    char *command; /**< the command line, words parted by blanks, at most 255 bytes; as foreign */
};

/** One address that is listened on. Sockets that share it (SO_REUSEPORT) are one listener. */
struct listener {
    struct sockdiag_socket socket; /**< the first; `waiting` and `waiting_most` are sums */
    size_t sockets;
    struct listener_holder *holders; /**< by pid, the oldest first */
    size_t holder_count;             /**< 0 when we may not see them */
    size_t holders_more;             /**< beyond LISTENER_HOLDERS_MAX */
    uint64_t space;     /**< inode of its network namespace; 0: the one that we are in */
    char container[80]; /**< see container.h; "" for none */
    int connects;       /**< what sockdiag_connect() said; -ECANCELED: it was not asked */
};

struct listeners {
    struct listener *items; /**< those of our own network namespace first */
    size_t count;
    size_t dropped;       /**< sockets beyond the bounds */
    size_t hidden;        /**< processes that we may not look into */
    size_t spaces;        /**< other network namespaces that were looked into */
    size_t spaces_hidden; /**< and those that could not be */
    size_t spaces_veiled; /**< processes whose network namespace we may not know */
    int tcp_error;        /**< 0, or why the kernel did not list them: -errno */
    int udp_error;
};

enum listeners_how {
    LISTENERS_SPACES = 1,  /**< look into other network namespaces too: forks */
    LISTENERS_CONNECT = 2, /**< connect to each TCP listener, for at most 300 ms */
};

/** Looks for sockets on the ports, TCP and UDP. Bounded in time (about 5 s with other namespaces)
 *  and in memory. What could not be seen is counted in the result.
 *  @param how  of enum listeners_how, or 0 */
void listeners_look(const uint16_t *ports, size_t count, unsigned how,
                    struct listeners *ret_listeners);
void listeners_finish(struct listeners *listeners);
