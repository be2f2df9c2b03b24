/* A guardian's socket and those of any number of workers, waited for together with poll(): the loop
 * of processes that do one thing at a time. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct clients {
    struct pollfd *items; /**< the first is the guardian's */
    size_t count;
};

void clients_init(struct clients *clients, int guardian);
void clients_finish(struct clients *clients);
/** Takes over a socket. */
void clients_add(struct clients *clients, int socket);
/** Waits until one can be read. @return 0, or -errno */
must_check int clients_wait(struct clients *clients);
/** Calls `serve` for each worker's socket that can be read and closes those for which it says
 *  false. */
void clients_serve(struct clients *clients, bool (*serve)(void *context, int socket),
                   void *context);
