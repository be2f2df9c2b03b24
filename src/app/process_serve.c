/* The life of a lasting process: its guardian's orders and its workers' channels on one event loop.
 *
 * process_serve → begin → on_order, on_client … → the guardian's socket ends → drain → end */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/process.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "os/loop.h"

struct process_server {
    const struct process_start *start;
    const struct process_service *service;
    void *context;
    struct loop *loop;
    struct loop_watch guardian;
    struct list clients;
    bool ended;
    int result;
};

struct client {
    struct list link;
    struct process_server *server;
    struct loop_watch watch;
};

static void client_free(struct client *client)
{
    struct process_server *server = client->server;

    if (server->service->on_client_gone)
        server->service->on_client_gone(server->context, client->watch.fd);
    loop_remove(server->loop, &client->watch);
    close(client->watch.fd);
    list_remove(&client->link);
    free(client);
}

static void on_client(struct loop_watch *watch, unsigned events)
{
    struct client *client = container_of(watch, struct client, watch);
    struct process_server *server = client->server;

    (void)events;
    if (!server->service->on_client || !server->service->on_client(server->context, watch->fd))
        client_free(client);
}

/* Takes over the socket. */
static int add_client(struct process_server *server, int socket, uint64_t rights)
{
    struct client *client = mem_new(struct client);

    client->server = server;
    client->watch = (struct loop_watch){.fd = socket, .on_event = on_client};
    list_append(&server->clients, &client->link);
    if (server->service->on_client_new)
        server->service->on_client_new(server->context, socket, rights);
    int r = loop_add(server->loop, &client->watch, LOOP_LEVEL);
    if (r < 0)
        client_free(client);
    return r;
}

static int obey(struct process_server *server, struct ipc_message *message)
{
    if (message->kind == IPC_PING)
        return ipc_say(server->start->guardian, IPC_PONG, 0, SPAN(""));
    if (message->kind == IPC_CLIENT && message->fd_count == 1) {
        int socket = message->fds[0];
        message->fds[0] = -1;
        return add_client(server, socket, message->value);
    }
    return server->service->on_order ? server->service->on_order(server->context, message) : 0;
}

static void on_guardian(struct loop_watch *watch, unsigned events)
{
    struct process_server *server = container_of(watch, struct process_server, guardian);
    struct ipc_message message;

    (void)events;
    int r = ipc_receive(watch->fd, &message);
    if (r == -EAGAIN)
        return;
    if (r > 0) {
        r = obey(server, &message);
        ipc_finish(&message);
        if (r >= 0)
            return;
    }
    server->result = r;
    server->ended = true;
    loop_stop(server->loop);
}

/* What was sent before the end is still in the sockets. */
static void drain(struct process_server *server)
{
    char byte;

    list_for_each (client, spare, &server->clients, struct client, link)
        while (recv(client->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
            if (!server->service->on_client(server->context, client->watch.fd))
                break;
}

struct loop *process_server_loop(struct process_server *server)
{
    return server->loop;
}

static bool readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, 0) > 0;
}

int process_server_turn(struct process_server *server)
{
    if (!server->ended && readable(server->guardian.fd))
        on_guardian(&server->guardian, LOOP_READABLE);
    list_for_each (client, spare, &server->clients, struct client, link)
        if (readable(client->watch.fd))
            on_client(&client->watch, LOOP_READABLE);
    return server->ended ? ERR_CLOSED : 0;
}

int process_serve(const struct process_start *start, const struct process_service *service,
                  void *context)
{
    struct process_server server = {
        .start = start,
        .service = service,
        .context = context,
        .guardian = {.fd = start->guardian, .on_event = on_guardian},
    };

    list_init(&server.clients);
    int r = loop_create(&server.loop);
    if (r < 0)
        return 1;
    r = loop_add(server.loop, &server.guardian, LOOP_LEVEL);
    if (r >= 0 && service->begin)
        r = service->begin(context, &server);
    if (r >= 0)
        r = loop_run(server.loop);
    if (r >= 0)
        r = server.result;
    if (r >= 0 && service->drains)
        drain(&server);
    if (service->end)
        service->end(context);
    list_for_each (client, spare, &server.clients, struct client, link)
        client_free(client);
    loop_destroy(server.loop);
    return r < 0 ? 1 : 0;
}
