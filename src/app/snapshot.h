/* The snapshot: all that a worker needs to serve, as the guardian prepared it. It crosses from the
 * guardian to each worker as one memfd and a few descriptors, at start and at every reload. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/upstream_roots.h"
#include "base/macros.h"
#include "base/span.h"
#include "serve/serve.h"
#include "tls/tls.h"

struct settings; /* app/settings.h */

struct snapshot_listener {
    uint64_t id;    /**< the same in the next snapshot while the address stays: the worker keeps its
                         socket and closes the new duplicate */
    int fd;         /**< listening TCP socket of this worker alone (SO_REUSEPORT), non-blocking */
    bool secure;    /**< HTTPS; else plain HTTP */
    bool datagrams; /**< a UDP socket, for HTTP/3 */
    uint8_t index;  /**< of that one in its group */
    bool proxy_protocol;
    char *address; /**< as the user wrote it, ":443" */
    uint16_t port;
};

struct snapshot_certificate {
    uint64_t key_id; /**< of the private key in the keys process */
    char *chain_pem; /**< leaf first */
    char *ocsp;      /**< response to staple; NULL: none, and what follows is unset */
    size_t ocsp_len;
    int64_t ocsp_until; /**< wall clock, ns */
    unsigned char fingerprint[TLS_FINGERPRINT_SIZE];
};

/** Resources of settings->sites[i], in the same order. */
struct snapshot_site {
    struct snapshot_certificate *certificates;
    size_t certificate_count;
};

enum { TICKET_KEY_SIZE = 80, TICKET_KEYS_MAX = 3 };

struct snapshot {
    uint64_t generation; /**< grows by one with every reload */
    struct settings *settings;
    struct snapshot_listener *listeners;
    size_t listener_count;
    struct snapshot_site *sites;
    size_t site_count;
    int *folders; /**< O_PATH directories, in the order of settings_folders() */
    size_t folder_count;
    unsigned char ticket_keys[TICKET_KEYS_MAX][TICKET_KEY_SIZE]; /**< newest first: 16 bytes name,
                                                                    32 AES-256 key, 32 HMAC key */
    size_t ticket_key_count;
    unsigned char quic_secret[SERVER_QUIC_SECRET];
    struct files_guard guard; /**< what no site may serve */
    char *waf; /**< the files of the web application firewall's rules, packed (waf_files_pack()) and
                    in base64; NULL: none */
    struct upstream_roots roots;
};

/** Closes descriptors still owned (not -1), wipes ticket keys, frees all. NULL is fine. */
void snapshot_destroy(struct snapshot *snapshot);
/** Sends a snapshot over a SEQPACKET socket. `config_text` is config_tree_flatten()'s;
 *  snapshot->settings is not looked at.
 *  @return 0, or -errno; ERR_LIMIT for a snapshot of more than SNAPSHOT_MAX bytes */
must_check int snapshot_send(int socket, const struct snapshot *snapshot, const char *config_text);

enum { SNAPSHOT_MAX = 64 << 20, SNAPSHOT_FDS_MAX = 65536 };

/** Parts of a snapshot that arrived so far, the memfd first. Zeroed memory is an empty one. */
struct snapshot_inbox {
    uint64_t generation;
    int *fds;
    size_t fd_count;
    size_t fd_wanted; /**< 0: no snapshot has begun */
};

/** Takes one IPC_SNAPSHOT message with its descriptors.
 *  @return 1 when it completed a snapshot; 0 when more parts follow; ERR_PROTOCOL or ERR_SETTINGS
 *  for a snapshot that is not well-formed (the inbox is empty again); -errno */
struct ipc_message;
must_check int snapshot_receive(struct snapshot_inbox *inbox, struct ipc_message *message,
                                struct snapshot **ret_snapshot);
void snapshot_inbox_finish(struct snapshot_inbox *inbox);

/** The bytes of a snapshot but its descriptors, and back: then every fd is -1, or SNAPSHOT_FD_DUE
 *  where one belongs. `ret_bytes` is for buffer_finish().
 *  @return 0; ERR_LIMIT; from decode ERR_PROTOCOL, or ERR_SETTINGS for its text of settings */
struct buffer;
enum { SNAPSHOT_FD_DUE = -2 };
must_check int snapshot_encode(const struct snapshot *snapshot, const char *config_text,
                               struct buffer *ret_bytes);
must_check int snapshot_decode(struct span bytes, struct snapshot **ret_snapshot);
