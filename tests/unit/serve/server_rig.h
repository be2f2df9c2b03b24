/* A server on loopback with its loop in a thread of its own, and blocking clients for it, with and
 * without TLS. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "serve/serve.h"

enum { BIG_SIZE = 24 << 20 };

enum rig_listener { RIG_HTTPS, RIG_HTTP, RIG_PROXY, RIG_LISTENERS };

struct rig {
    struct limits_settings limits; /* change them before rig_start() or rig_swap() */
    const char *trusted;           /* who may send PROXY headers */
    bool strict;
    void (*add_routes)(struct site *site); /* of localhost; NULL: none beside its files */
    struct loop *loop;
    struct server *server;
    struct protect_shared *shared;
    struct tls_library *library;
    struct access_log *access_log;
    int log_fds[2]; /* what the access log says, as JSON, comes out of the second */
    int commands[2];
    struct loop_watch watch;
    pthread_t thread;
    uint16_t ports[RIG_LISTENERS];
    SSL_CTX *client;
    int root_fd;
    int snapshots_freed;
    bool drained;
    EVP_PKEY *key;
    char *pem;
    char root[64];
};

/** Defaults that suit tests; nothing runs yet. */
void rig_init(struct rig *rig);
/** Sites localhost (with the alias www.localhost), *.wild.test and, unless strict, localhost for
 *  all other names. They have /small (100 bytes) and /big (BIG_SIZE). */
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/** Runs a function in the server's thread, between two of its rounds. */
void rig_do(struct rig *rig, void (*function)(struct rig *rig));
/** Serves a new snapshot made of the present limits. In the server's thread. */
void rig_swap(struct rig *rig);
/** Drains; `drained` tells when it is over. In the server's thread. */
void rig_drain(struct rig *rig);
/** Waits for a line of the access log. @return it, valid until the next call, "" after 5 s */
const char *rig_log_line(struct rig *rig);
struct server_counts rig_counts(struct rig *rig);

struct caller {
    int fd;
    SSL *ssl; /* NULL without TLS */
};

/** Connects to a listener; its socket gives up after 5 s. */
struct caller client_open(struct rig *rig, enum rig_listener listener);
/** Adds TLS. @param alpn  wire format, or NULL */
void client_tls(struct rig *rig, struct caller *client, const char *alpn);
/** Both. */
struct caller client_https(struct rig *rig);
void client_close(struct caller *client);
void client_send(struct caller *client, const char *text);
/** @return bytes; 0 at the end; -1 for an error, also after 5 s */
ssize_t client_read(struct caller *client, char *out, size_t cap);
/** Reads one answer with a content-length. @return its head; *ret_body_len bytes of body followed,
 *  each of which was looked at when `target` is /big */
const char *client_answer(struct caller *client, size_t *ret_body_len);
/** Reads to the end. @return 0 at a clean end, -1 when it was cut */
int client_rest(struct caller *client, size_t *ret_len);
/** Milliseconds until the server ends the connection. */
int client_wait_for_end(struct caller *client);
/** The byte at an offset of /big. */
char big_byte(size_t offset);
