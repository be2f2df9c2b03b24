/* Messages between the guardian and the processes it started: one SEQPACKET packet each, with
 * descriptors beside it. What a message leads to is its receiver's business.
 *
 * A worker's life: it gets SNAPSHOT (in parts) as its first message and answers APPLIED or FAILED
 * with that generation, and so for each later one. After DRAIN it accepts nothing, finishes what is
 * under way, says DRAINED and exits 0. When its guardian socket ends, it exits at once. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

enum ipc_kind {
    /* guardian → worker */
    IPC_SNAPSHOT = 1, /**< a part of a snapshot, see snapshot_receive() */
    IPC_TICKET_KEYS,  /**< text: 1..TICKET_KEYS_MAX keys of TICKET_KEY_SIZE bytes, see snapshot.h */
    IPC_DRAIN,        /**< value: ns from now after which what is left is cut */
    IPC_CHANNEL,      /**< value: enum process_id; one fd: the process was started or replaced, talk
                           to it over this one from now on (channel.h) */
    IPC_STATS,        /**< answered by STATS with struct ipc_stats as text */
    IPC_OCSP,         /**< text: fingerprint of a certificate; one fd: ipc_memory() of the response
                           to staple for it, or none: forget it; value: wall clock at which it ends */
    /* worker → guardian */
    IPC_READY,   /**< the event loop runs; before the first APPLIED */
    IPC_APPLIED, /**< value: generation */
    IPC_FAILED,  /**< value: generation, which it does not serve; text: why, one line */
    IPC_DRAINED, /**< no connection is left */
    /* guardian → keys */
    IPC_KEY_LOAD, /**< value: id; text: a byte of enum keys_purpose; fds: key file, and for
                       KEYS_FOR_SERVER and KEYS_FOR_CLIENT a memfd of the chain that it must belong
                       to, unless it has no certificate yet; answered by DONE */
    IPC_KEY_DROP, /**< value: id */
    /* guardian → any process of the table, see process.h */
    IPC_CLIENT,   /**< one fd: one more channel; value: the rights of its link (process.h) */
    IPC_SETTINGS, /**< fds: ipc_memory() of the settings' flattened text, then the row's files;
                     value: bit i is set when file i is there */
    IPC_PORTS,    /**< text: struct ports, those that shall be open from now on */
    /* any process of the table → guardian */
    IPC_NOTE, /**< value: enum log_level; text: what people should know, maybe with foreign bytes */
    /* worker ⇄ process, over a channel of CHANNEL_EVENTS */
    IPC_ASK,    /**< value: the asker's number; text and fds: as both ends agree */
    IPC_ANSWER, /**< value: that number */
    /* guardian → logs */
    IPC_LOG_FILES, /**< text: 'a' and/or 'e', which of access and error follow as fds; a stream
                        that is not named is not written any more */
    /* keys → guardian */
    IPC_DONE, /**< value: 0, or the negated error of KEY_LOAD */
    /* logs → guardian */
    IPC_LOG_TROUBLE, /**< value: errno (EAGAIN: nobody reads), or 0: there is room again; text:
                        which stream, then how many lines were dropped in decimal */
    /* guardian → worker, processes with a heartbeat */
    IPC_PING, /**< answered by PONG, as a sign of life */
    /* those → guardian */
    IPC_PONG,
    /* guardian → keys */
    IPC_KEY_MAKE, /**< value: id; text: bytes of enum keys_purpose and enum keys_kind; one fd: the
                       empty file that it goes to, or none: it stays in memory. Answered by
                     KEY_MADE, for a large RSA key after seconds; one at a time */
    /* keys → guardian */
    IPC_KEY_MADE, /**< value: id; text: 0, or the negated error, in decimal (EBUSY: another is being
                       made) */
    /* guardian → worker */
    IPC_ACME_TOKEN, /**< text: TOKEN "\n" KEY-AUTHORIZATION: challenges for it are answered; with
                         nothing behind the line end no more */
    /* acme → guardian; all but STEP and RESULT are answered by DONE with 0 or the negated error */
    IPC_ACME_ACCOUNT, /**< text: the account's URL, to be kept */
    IPC_ACME_ORDER,   /**< text: the order's URL, to be kept; empty: it is of no more use */
    IPC_ACME_PUBLISH, /**< value 1, text: as ACME_TOKEN; value 0, text: TOKEN, to withdraw */
    IPC_ACME_WINDOW,  /**< text: "START END", wall clock in ns: when to renew */
    IPC_ACME_STEP,    /**< value: enum acme_step; text: of what */
    IPC_ACME_RESULT,  /**< one fd: ipc_memory() of the chain, text: "NOT-BEFORE NOT-AFTER ID"; or
                           none, text: why it failed, value: wall clock before which to ask no more
                       */
    /* guardian → bans */
    IPC_BANS, /**< value: a number; text: what people ask, as JSON (ban_decisions.h) */
    /* bans → guardian */
    IPC_BANS_ANSWER, /**< value: that number; one fd: ipc_memory() of the answer, as JSON */
    IPC_LAST,
};

enum {
    IPC_TEXT_MAX = 4096,
    IPC_FDS_MAX = 200, /**< the kernel takes 253 */
};

struct ipc_message {
    enum ipc_kind kind;
    uint64_t value;
    char text[IPC_TEXT_MAX];
    size_t text_len;
    int fds[IPC_FDS_MAX]; /**< the receiver's; take one by setting it to -1 */
    size_t fd_count;
};

/** What a worker has done and does. */
struct ipc_stats {
    uint64_t connections; /**< open now */
    uint64_t accepted;    /**< since its start */
    uint64_t refused;     /**< for a limit */
    uint64_t requests;
};

/** Sends one message; descriptors stay the caller's.
 *  @return 0, or -errno (-EAGAIN when the receiver does not keep up) */
must_check int ipc_send(int socket, const struct ipc_message *message);
/** The same for a message without descriptors. `text` is cut to IPC_TEXT_MAX. */
must_check int ipc_say(int socket, enum ipc_kind kind, uint64_t value, struct span text);
/** The same without waiting, also where the socket is blocking. @return 0, or -errno */
must_check int ipc_offer(int socket, enum ipc_kind kind, uint64_t value, struct span text);
/** The same as ipc_say() with one descriptor and no text. */
must_check int ipc_pass(int socket, enum ipc_kind kind, uint64_t value, int fd);
/** Receives one message; does not wait when the socket is non-blocking.
 *  @return 1; 0 when the other side is gone; ERR_PROTOCOL for a malformed one, whose descriptors
 *  are closed already; -errno (-EAGAIN: nothing there) */
must_check int ipc_receive(int socket, struct ipc_message *ret_message);
/** More bytes than fit into a message, in a memfd to send with it. @return a descriptor, or -errno
 */
must_check int ipc_memory(struct span bytes);
/** Reads such a descriptor in whole. @return 0; ERR_LIMIT past the buffer's ceiling; ERR_CHANGED;
 *  -errno */
struct buffer;
must_check int ipc_memory_read(int fd, struct buffer *bytes);
/** Closes descriptors that nobody took. */
void ipc_finish(struct ipc_message *message);
/** Reads a message from its bytes, without descriptors. @return 0, or ERR_PROTOCOL */
must_check int ipc_decode(struct span bytes, struct ipc_message *ret_message);

/* A packet of a log socket is one byte that names the stream, then whole lines with their newlines,
 * at most IPC_LOG_PACKET bytes in all. A worker that finds the socket full drops them. */
enum { IPC_LOG_ACCESS = 'a', IPC_LOG_ERROR = 'e', IPC_LOG_PACKET = 32768 };
