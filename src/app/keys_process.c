/* The process that holds private keys. It reads nothing but messages, opens nothing, and knows no
 * peer. The guardian says what each key is for and what the holder of each socket may ask. A key
 * that is made here goes into a file that the guardian opened, and nowhere else. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/clients.h"
#include "app/helpers.h"
#include "app/ipc.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "os/sandbox.h"
#include "tls/tls.h"

enum { CHAIN_MAX = 1 << 20 };

struct keys_process {
    struct keys_holder *holder;
    struct clients clients;
    unsigned char *rights; /* enum keys_rights by descriptor */
    size_t rights_count;
    int guardian;
    bool making; /* a key; another has to wait */
    char request[KEYS_MESSAGE_MAX];
    char reply[KEYS_MESSAGE_MAX];
};

static bool answer(void *context, int socket)
{
    struct keys_process *keys = context;

    ssize_t n = recv(socket, keys->request, sizeof keys->request, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    size_t len = keys_holder_answer(keys->holder, keys->rights[socket],
                                    span_of(keys->request, (size_t)n), keys->reply);
    /* Never block on a client's socket: drop the answer if it is full. */
    n = send(socket, keys->reply, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    explicit_bzero(keys->reply, len);
    return n >= 0 || errno == EAGAIN;
}

static void add_client(struct keys_process *keys, int socket, uint64_t rights)
{
    if ((size_t)socket >= keys->rights_count) {
        keys->rights = mem_resize(keys->rights, (size_t)socket + 1, 1);
        keys->rights_count = (size_t)socket + 1;
    }
    keys->rights[socket] = (unsigned char)rights;
    clients_add(&keys->clients, socket);
}

/* ---- keys ---- */

static int check_chain(const struct keys_process *keys, uint64_t id, int fd)
{
    struct buffer chain = buffer_make(CHAIN_MAX);
    int r = ipc_memory_read(fd, &chain);

    if (r >= 0)
        r = keys_holder_check(keys->holder, id, buffer_span(&chain));
    buffer_finish(&chain);
    return r;
}

static bool needs_chain(enum keys_purpose purpose)
{
    return purpose == KEYS_FOR_SERVER || purpose == KEYS_FOR_CLIENT;
}

static int load(struct keys_process *keys, const struct ipc_message *message)
{
    enum keys_purpose purpose = message->text_len == 1 ? (unsigned char)message->text[0] : 0;

    if (purpose == 0 || message->fd_count != (needs_chain(purpose) ? 2 : 1))
        return ERR_PROTOCOL;
    int r = keys_holder_load(keys->holder, message->value, purpose, message->fds[0]);
    if (r >= 0 && needs_chain(purpose))
        r = check_chain(keys, message->value, message->fds[1]);
    if (r < 0)
        keys_holder_drop(keys->holder, message->value);
    return r;
}

static int make(struct keys_process *keys, const struct ipc_message *message)
{
    if (keys->making)
        return -EBUSY;
    if (message->text_len != 2 || message->fd_count > 1)
        return ERR_PROTOCOL;
    keys->making = true;
    int r =
        keys_holder_make(keys->holder, message->value, (unsigned char)message->text[0],
                         (unsigned char)message->text[1], message->fd_count ? message->fds[0] : -1);
    keys->making = false;
    return r;
}

/* ---- orders ---- */

static int report(const struct keys_process *keys, enum ipc_kind kind, uint64_t id, int result)
{
    struct ipc_message message = {.kind = kind, .value = id};

    message.text_len = (size_t)snprintf(message.text, sizeof message.text, "%d", -result);
    return ipc_send(keys->guardian, &message);
}

/* @return 1 to go on, 0 when the guardian is gone, or an error */
static int obey(struct keys_process *keys)
{
    struct ipc_message message;

    int r = ipc_receive(keys->guardian, &message);
    if (r <= 0)
        return r == -EAGAIN ? 1 : r;
    if (message.kind == IPC_KEY_LOAD) {
        int loaded = load(keys, &message);
        r = ipc_say(keys->guardian, IPC_DONE, (uint64_t)-loaded, SPAN(""));
    } else if (message.kind == IPC_KEY_MAKE) {
        int made = make(keys, &message);
        r = report(keys, IPC_KEY_MADE, message.value, made);
    } else if (message.kind == IPC_PING) {
        r = ipc_say(keys->guardian, IPC_PONG, 0, SPAN(""));
    } else if (message.kind == IPC_KEY_DROP) {
        keys_holder_drop(keys->holder, message.value);
    } else if (message.kind == IPC_CLIENT && message.fd_count == 1) {
        add_client(keys, message.fds[0], message.value);
        message.fds[0] = -1;
    }
    ipc_finish(&message);
    return r < 0 ? r : 1;
}

/* Orders first: they say which keys there are. @return as obey() */
static int serve(struct keys_process *keys)
{
    int r = keys->clients.items[0].revents ? obey(keys) : 1;

    if (r > 0)
        clients_serve(&keys->clients, answer, keys);
    return r;
}

/* A key is being made, which takes seconds if it is a large RSA key: handshakes go on meanwhile. */
static void on_busy(void *context)
{
    struct keys_process *keys = context;

    if (poll(keys->clients.items, keys->clients.count, 0) <= 0)
        return;
    int r = serve(keys);
    if (r <= 0) /* the guardian is gone, and nobody wants the key any more */
        _exit(r < 0 ? 1 : 0);
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
    struct keys_process *keys = mem_new(struct keys_process);

    keys->holder = keys_holder_create();
    keys->guardian = guardian;
    keys_holder_set_busy(keys->holder, on_busy, keys);
    clients_init(&keys->clients, guardian);
    int r = confine(user);
    r = r < 0 ? r : 1;
    while (r > 0) {
        r = clients_wait(&keys->clients);
        if (r >= 0)
            r = serve(keys);
    }
    keys_holder_destroy(keys->holder);
    clients_finish(&keys->clients);
    free(keys->rights);
    free(keys);
    return r < 0 ? 1 : 0;
}
