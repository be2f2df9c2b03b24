/* The process that holds private keys. It reads nothing but messages, opens nothing, and knows no
 * peer. The guardian says what each key is for and what the holder of each socket may ask. A key
 * that is made here goes into a file that the guardian opened, and nowhere else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/process_functions.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "tls/tls.h"

enum { CHAIN_MAX = 1 << 20 };

struct keys_process {
    const struct process_start *start;
    struct process_server *server;
    struct keys_holder *holder;
    unsigned char *rights; /* enum keys_rights by descriptor */
    size_t rights_count;
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

static void add_client(void *context, int socket, uint64_t rights)
{
    struct keys_process *keys = context;

    if ((size_t)socket >= keys->rights_count) {
        keys->rights = mem_resize(keys->rights, (size_t)socket + 1, 1);
        keys->rights_count = (size_t)socket + 1;
    }
    keys->rights[socket] = (unsigned char)rights;
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

static bool may_have_chain(enum keys_purpose purpose)
{
    return purpose == KEYS_FOR_SERVER || purpose == KEYS_FOR_CLIENT;
}

static int load(struct keys_process *keys, const struct ipc_message *message)
{
    enum keys_purpose purpose = message->text_len == 1 ? (unsigned char)message->text[0] : 0;

    bool chain = message->fd_count == 2;

    if (purpose == 0 || message->fd_count < 1 || message->fd_count > 2 ||
        (chain && !may_have_chain(purpose)))
        return ERR_PROTOCOL;
    int r = keys_holder_load(keys->holder, message->value, purpose, message->fds[0]);
    if (r >= 0 && chain)
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
    return ipc_send(keys->start->guardian, &message);
}

static int on_order(void *context, struct ipc_message *message)
{
    struct keys_process *keys = context;

    if (message->kind == IPC_KEY_LOAD) {
        int loaded = load(keys, message);
        return ipc_say(keys->start->guardian, IPC_DONE, (uint64_t)-loaded, SPAN(""));
    }
    if (message->kind == IPC_KEY_MAKE) {
        int made = make(keys, message);
        return report(keys, IPC_KEY_MADE, message->value, made);
    }
    if (message->kind == IPC_KEY_DROP)
        keys_holder_drop(keys->holder, message->value);
    return 0;
}

/* A key is being made, which takes seconds if it is a large RSA key: handshakes go on meanwhile. */
static void on_busy(void *context)
{
    struct keys_process *keys = context;

    if (process_server_turn(keys->server) < 0) /* nobody wants the key any more */
        _exit(0);
}

static int begin(void *context, struct process_server *server)
{
    struct keys_process *keys = context;

    keys->server = server;
    return 0;
}

int keys_process_run(const struct process_start *start)
{
    static const struct process_service service = {
        .begin = begin, .on_order = on_order, .on_client_new = add_client, .on_client = answer};
    struct keys_process *keys = mem_new(struct keys_process);

    keys->start = start;
    keys->holder = keys_holder_create();
    keys_holder_set_busy(keys->holder, on_busy, keys);
    /* OpenSSL has read what it needs by now. */
    int code = process_confine(start, NULL, 0) < 0 ? PROCESS_UNCONFINED
                                                   : process_serve(start, &service, keys);
    keys_holder_destroy(keys->holder);
    free(keys->rights);
    free(keys);
    return code;
}
