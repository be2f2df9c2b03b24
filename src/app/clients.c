/* Polling many sockets. What arrives on them is its users' business. */
#include "app/clients.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

void clients_init(struct clients *clients, int guardian)
{
    *clients = (struct clients){NULL};
    clients_add(clients, guardian);
}

void clients_finish(struct clients *clients)
{
    for (size_t i = 1; i < clients->count; i++)
        close(clients->items[i].fd);
    free(clients->items);
}

void clients_add(struct clients *clients, int socket)
{
    clients->items = mem_resize(clients->items, clients->count + 1, sizeof *clients->items);
    clients->items[clients->count++] = (struct pollfd){.fd = socket, .events = POLLIN};
}

int clients_wait(struct clients *clients)
{
    while (poll(clients->items, clients->count, -1) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

void clients_serve(struct clients *clients, bool (*serve)(void *context, int socket), void *context)
{
    size_t kept = 1;

    for (size_t i = 1; i < clients->count; i++) {
        struct pollfd *item = &clients->items[i];
        if (item->revents && !serve(context, item->fd))
            close(item->fd);
        else
            clients->items[kept++] = *item;
    }
    clients->count = kept;
}
