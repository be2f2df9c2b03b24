/* The process that holds private keys. It reads nothing but messages, opens nothing, and knows no
 * peer; what it signs for whom is decided by who has a socket to it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/clients.h"
#include "app/helpers.h"
#include "app/ipc.h"
#include "base/buffer.h"
#include "os/sandbox.h"
#include "tls/tls.h"

enum { CHAIN_MAX = 1 << 20 };

struct keys_process {
    struct keys_holder *holder;
    struct clients clients;
};

static bool answer(void *context, int socket)
{
    struct keys_process *keys = context;
    char request[KEYS_MESSAGE_MAX], reply[KEYS_MESSAGE_MAX];

    ssize_t n = recv(socket, request, sizeof request, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    size_t len = keys_holder_answer(keys->holder, span_of(request, (size_t)n), reply);
    /* A worker that takes no answers has itself to blame: nobody waits for it. */
    n = send(socket, reply, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    explicit_bzero(reply, len);
    return n >= 0 || errno == EAGAIN;
}

static int load(struct keys_process *keys, const struct ipc_message *message)
{
    struct buffer chain = buffer_make(CHAIN_MAX);

    if (message->fd_count != 2)
        return ERR_PROTOCOL;
    int r = keys_holder_load(keys->holder, message->value, message->fds[0]);
    if (r < 0)
        return r;
    r = ipc_memory_read(message->fds[1], &chain);
    if (r >= 0)
        r = keys_holder_check(keys->holder, message->value, buffer_span(&chain));
    if (r < 0)
        keys_holder_drop(keys->holder, message->value);
    buffer_finish(&chain);
    return r;
}

/* @return 1 to go on, 0 when the guardian is gone, or an error */
static int obey(struct keys_process *keys, int guardian)
{
    struct ipc_message message;

    int r = ipc_receive(guardian, &message);
    if (r <= 0)
        return r == -EAGAIN ? 1 : r;
    if (message.kind == IPC_KEY_LOAD) {
        int loaded = load(keys, &message);
        r = ipc_say(guardian, IPC_DONE, (uint64_t)-loaded, SPAN(""));
    } else if (message.kind == IPC_PING) {
        r = ipc_say(guardian, IPC_PONG, 0, SPAN(""));
    } else if (message.kind == IPC_KEY_DROP) {
        keys_holder_drop(keys->holder, message.value);
    } else if (message.kind == IPC_CLIENT && message.fd_count == 1) {
        clients_add(&keys->clients, message.fds[0]);
        message.fds[0] = -1;
    }
    ipc_finish(&message);
    return r < 0 ? r : 1;
}

static int confine(const char *user)
{
    int r = user ? sandbox_switch_user(user) : 0;

    if (r >= 0)
        r = sandbox_hide_memory();
    if (r >= 0)
        r = sandbox_no_new_privs();
    if (r >= 0)
        r = sandbox_landlock(NULL, 0);
    /* Without Landlock seccomp still allows no opening of files. */
    if (r < 0 && r != -ENOSYS && r != -EOPNOTSUPP)
        return r;
    return sandbox_seccomp(SANDBOX_KEYS);
}

int keys_process_run(int guardian, const char *user)
{
    struct keys_process keys = {.holder = keys_holder_create()};

    clients_init(&keys.clients, guardian);
    int r = confine(user);
    while (r >= 0) {
        r = clients_wait(&keys.clients);
        if (r >= 0 && keys.clients.items[0].revents) {
            r = obey(&keys, guardian);
            if (r == 0)
                break;
        }
        if (r >= 0)
            clients_serve(&keys.clients, answer, &keys);
    }
    keys_holder_destroy(keys.holder);
    clients_finish(&keys.clients);
    return r < 0 ? 1 : 0;
}
