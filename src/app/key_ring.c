/* The keys that are in use: private ones, which the guardian knows only as open files and the keys
 * process reads, and those of session tickets, which it makes itself. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/guardian_state.h"
#include "app/stapler.h"
#include "app/watchdog.h"
#include "base/error.h"
#include "base/mem.h"

/* ---- private keys ---- */

/* The next word of the keys process that answers an order. @return 1, or an error */
static int await_word(struct guardian *g, struct ipc_message *message)
{
    for (;;) {
        int r = ipc_receive(g->processes.items[PROCESS_KEYS].child.socket, message);
        if (r <= 0)
            return r == 0 ? ERR_CLOSED : r == -EAGAIN ? ERR_TIMEOUT : r;
        if (message->kind == IPC_DONE)
            return 1;
        watchdog_hear(&g->processes.items[PROCESS_KEYS].child, message);
        key_ring_hear(g, message);
        ipc_finish(message);
    }
}

/* Gives a key file to the keys process and waits for its word. */
static int give_key(struct guardian *g, const struct key *key)
{
    struct ipc_message message = {.kind = IPC_KEY_LOAD, .value = key->id, .fd_count = 1};
    int chain = key->chain_pem ? ipc_memory(span_str(key->chain_pem)) : -1;

    if (key->chain_pem && chain < 0)
        return chain;
    message.text[message.text_len++] = (char)key->purpose;
    message.fds[0] = key->fd;
    if (chain >= 0)
        message.fds[message.fd_count++] = chain;
    int r = processes_order(&g->processes, PROCESS_KEYS, &message);
    if (chain >= 0)
        close(chain);
    if (r >= 0)
        r = await_word(g, &message);
    if (r < 0)
        return r;
    ipc_finish(&message);
    return -(int)message.value;
}

void key_ring_give_all(struct guardian *g)
{
    list_for_each (key, spare, &g->keys, struct key, link) {
        int r = give_key(g, key);
        if (r < 0)
            log_event(&g->log, LOG_ERROR, "a private key could not be loaded again",
                      "id=%llu reason=\"%s\"", (unsigned long long)key->id, error_text(r));
    }
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool same_chain(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct key *find_key(struct guardian *g, const struct stat *st,
                            const struct key_source *source)
{
    list_for_each (key, spare, &g->keys, struct key, link)
        if (key->purpose == source->purpose && same_file(&key->identity, st) &&
            same_chain(key->chain_pem, source->chain_pem))
            return key;
    return NULL;
}

static void forget_key(struct key *key)
{
    stapler_detach(key);
    list_remove(&key->link);
    close(key->fd);
    free(key->chain_pem);
    free(key);
}

static void complain_key(struct diags *diags, const char *path, int error)
{
    const char *why = error == ERR_SYNTAX   ? "it holds no unencrypted private key in PEM form"
                      : error == ERR_LIMIT  ? "the file is too long for one"
                      : error == ERR_TLS    ? "it is of a kind that we do not serve, or does not "
                                              "belong to its certificate"
                      : error == ERR_CLOSED ? "the keys process ended over it"
                                            : error_text(error);
    diags_add(diags, "the private key of %s cannot be used: %s", path, why);
}

int key_ring_load(struct guardian *g, const struct key_source *source, struct diags *diags,
                  struct key **ret_key)
{
    struct stat st;

    int r = fstat(source->fd, &st) < 0 ? -errno : 0;
    struct key *key = r < 0 ? NULL : find_key(g, &st, source);
    if (key) {
        close(source->fd);
    } else if (r >= 0) {
        key = mem_new(struct key);
        key->id = ++g->next_key_id;
        key->purpose = source->purpose;
        key->fd = source->fd;
        key->identity = st;
        key->chain_pem = source->chain_pem ? mem_string(span_str(source->chain_pem)) : NULL;
        list_append(&g->keys, &key->link);
        r = give_key(g, key);
        if (r < 0)
            forget_key(key);
    } else {
        close(source->fd);
    }
    if (r < 0) {
        complain_key(diags, source->path, r);
        return r;
    }
    key->references++;
    *ret_key = key;
    return 0;
}

/* ---- making keys ---- */

/* The key's file is what a new keys process is given, as with any other key. */
static void keep_made(struct guardian *g, const struct key_making *making)
{
    struct key *key = mem_new(struct key);

    key->id = making->id;
    key->purpose = making->purpose;
    key->fd = making->fd;
    key->references = 1;
    if (fstat(key->fd, &key->identity) < 0)
        key->identity = (struct stat){0};
    list_append(&g->keys, &key->link);
    making->on_made(making->context, 0, key);
}

static void conclude_making(struct guardian *g, int result)
{
    struct key_making making = g->making;

    g->making = (struct key_making){.fd = -1};
    if (result == 0) {
        keep_made(g, &making);
        return;
    }
    close(making.fd);
    making.on_made(making.context, result, NULL);
}

int key_ring_make(struct guardian *g, const struct key_making *wanted)
{
    struct ipc_message message = {.kind = IPC_KEY_MAKE, .text_len = 2, .fd_count = 1};

    if (g->making.on_made)
        return -EBUSY;
    message.value = ++g->next_key_id;
    message.text[0] = (char)wanted->purpose;
    message.text[1] = (char)wanted->kind;
    message.fds[0] = wanted->fd;
    int r = processes_order(&g->processes, PROCESS_KEYS, &message);
    if (r < 0)
        return r;
    g->making = *wanted;
    g->making.id = message.value;
    return 0;
}

void key_ring_hear(struct guardian *g, const struct ipc_message *message)
{
    uint64_t error;

    if (message->kind == IPC_KEY_MADE && g->making.on_made && message->value == g->making.id)
        conclude_making(g, span_to_uint(span_of(message->text, message->text_len), &error) < 0
                               ? ERR_PROTOCOL
                               : -(int)error);
}

void key_ring_keys_gone(struct guardian *g)
{
    if (g->making.on_made)
        conclude_making(g, ERR_CLOSED);
}

void key_ring_unref(struct guardian *g, struct key *key)
{
    if (--key->references == 0)
        key->unused_since = loop_now(g->loop);
}

void key_ring_drop_unused(struct guardian *g, nsec_t now)
{
    list_for_each (key, spare, &g->keys, struct key, link) {
        if (key->references || now - key->unused_since < KEY_GRACE)
            continue;
        const struct ipc_message drop = {.kind = IPC_KEY_DROP, .value = key->id};
        int r = processes_order(&g->processes, PROCESS_KEYS, &drop);
        if (r >= 0)
            forget_key(key);
    }
}

void key_ring_free(struct guardian *g)
{
    list_for_each (key, spare, &g->keys, struct key, link)
        forget_key(key);
}

/* ---- ticket keys ---- */

static void make_key(unsigned char key[TICKET_KEY_SIZE])
{
    if (getrandom(key, TICKET_KEY_SIZE, 0) != TICKET_KEY_SIZE)
        abort(); /* a kernel without randomness serves no TLS */
}

void key_ring_make_quic_secret(unsigned char secret[SERVER_QUIC_SECRET])
{
    if (getrandom(secret, SERVER_QUIC_SECRET, 0) != SERVER_QUIC_SECRET)
        abort();
}

void key_ring_make_tickets(struct guardian *g)
{
    make_key(g->ticket_keys[0]);
    make_key(g->ticket_keys[1]);
    g->ticket_key_count = 2;
}

/* The next key is known everywhere before the first ticket is sealed with it, and the previous one
 * opens tickets for as long again. */
static void on_rotation(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, ticket_rotation);

    (void)now;
    memcpy(g->ticket_keys[2], g->ticket_keys[0], TICKET_KEY_SIZE);
    memcpy(g->ticket_keys[0], g->ticket_keys[1], TICKET_KEY_SIZE);
    make_key(g->ticket_keys[1]);
    g->ticket_key_count = 3;
    supervise_tell(&g->workers, IPC_TICKET_KEYS, 0,
                   span_of((const char *)g->ticket_keys, sizeof g->ticket_keys));
    key_ring_arm_rotation(g);
}

void key_ring_arm_rotation(struct guardian *g)
{
    g->ticket_rotation.on_timeout = on_rotation;
    loop_timer_set(g->loop, &g->ticket_rotation,
                   nsec_monotonic() + g->live->prepared.settings->tls.ticket_rotation);
}
