/* The keys that are in use: private ones, known as open files only, and those of session tickets.
 */
#pragma once

#include "app/snapshot.h"
#include "base/diag.h"
#include "base/list.h"
#include "base/nsec.h"
#include "tls/tls.h"
#include <stdint.h>
#include <sys/stat.h>

struct guardian;
struct ipc_message;
struct staple; /* stapler.c */

/* A private key in the keys process. The guardian keeps its file open, never reads it, and can so
 * give it to a new keys process. */
struct key {
    struct list link;
    unsigned references;
    uint64_t id;
    enum keys_purpose purpose;
    int fd;
    struct stat identity;
    char *chain_pem;       /* NULL but for certificates */
    nsec_t unused_since;   /* with no references: dropped after KEY_GRACE */
    struct staple *staple; /* NULL: the certificate names no OCSP responder */
};

/* A key that the keys process makes. */
struct key_making {
    enum keys_purpose purpose;
    enum keys_kind kind;
    int fd; /* an empty file, open for reading and writing, which has no name that counts yet */
    /* Once, from the event loop. `key` has one reference, for key_ring_unref(), and keeps `fd`; it
     * is NULL when `result` is an error, and `fd` is closed then. */
    void (*on_made)(void *context, int result, struct key *key);
    void *context;
    uint64_t id; /* set by key_ring_make() */
};

struct key_source {
    enum keys_purpose purpose;
    int fd;                /* open for reading; taken over */
    const char *path;      /* for messages */
    const char *chain_pem; /* whose key it is; NULL but for KEYS_FOR_SERVER and KEYS_FOR_CLIENT */
};

#define KEY_GRACE (60 * NSEC_PER_SEC) /* handshakes that began with a former key */

/** The key in an open file, loaded into the keys process unless it is there.
 *  @return 0, or an error with a diag */
must_check int key_ring_load(struct guardian *g, const struct key_source *source,
                             struct diags *diags, struct key **ret_key);
/** Has the keys process make a key and write it to making->fd, which it takes over when it returns
 *  0. Nobody else sees the private half: whoever asked gives the file its name when it was told
 *  that the key is made. One at a time.
 *  @return 0, -EBUSY, or another -errno */
must_check int key_ring_make(struct guardian *g, const struct key_making *wanted);
/** Takes note of a message of the keys process. */
void key_ring_hear(struct guardian *g, const struct ipc_message *message);
/** The keys process ended: a key that it was making will not come. */
void key_ring_keys_gone(struct guardian *g);
void key_ring_unref(struct guardian *g, struct key *key);
/** Gives every key to a new keys process. */
void key_ring_give_all(struct guardian *g);
/** What tokens and stateless resets of HTTP/3 are made with. */
void key_ring_make_quic_secret(unsigned char secret[SERVER_QUIC_SECRET]);
/** Drops keys that nobody has used for KEY_GRACE. */
void key_ring_drop_unused(struct guardian *g, nsec_t now);
void key_ring_free(struct guardian *g);
void key_ring_make_tickets(struct guardian *g);
/** Sets the time of the next ticket key, by the settings in force. */
void key_ring_arm_rotation(struct guardian *g);
