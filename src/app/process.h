/* The processes that the guardian starts, as one table, and what the function of a process sees.
 *
 * A process is one row (process_table.c), one function (X_process.c, declared in
 * process_functions.h) and one sandbox role (os/sandbox_roles_linux.c). The guardian forks it with
 * nothing but its sockets, wipes its own secrets from the copy, takes the steps of its role, and
 * calls its function. Which processes run, and when one is started again, follows from its row.
 * CONTRIBUTING.md has the recipe "How to add a process".
 *
 *   guardian ──IPC_SETTINGS, IPC_PING, own orders──> process ──IPC_NOTE, IPC_PONG, answers──>
 * guardian guardian ──IPC_CLIENT (one end)──> process, ──IPC_CHANNEL (other end)──> each that is
 * linked to it worker <── the channel: IPC_ASK, IPC_ANSWER, or bytes of their own ──> process */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/nsec.h"
#include "os/sandbox.h"

struct protect_shared;
struct settings;    /* app/settings.h */
struct ipc_message; /* app/ipc.h */
struct loop;        /* os/loop.h */
struct process_server;
struct findings; /* report/ */
struct diags;    /* base/diag.h */

enum process_id {
    /* One of each, for as long as gardien serves and its row wants it. */
    PROCESS_KEYS,
    PROCESS_LOGS,
    PROCESS_FIREWALL,
    PROCESS_ROUTER,
    PROCESS_CONNECTOR,
    PROCESS_BANS,
    PROCESSES_LASTING,
    /* Several, or for one question: who starts them is named beside each. */
    PROCESS_WORKER = PROCESSES_LASTING, /**< supervise.c */
    PROCESS_PREPARE,                    /**< prepare.c */
    PROCESS_OCSP,                       /**< stapler.c */
    PROCESS_ACME,                       /**< acme_orders.c */
    PROCESSES,
};

/** How others talk to the process. */
enum process_channel {
    CHANNEL_NONE,
    CHANNEL_BLOCKING, /**< the asker waits for each answer, 2 s at most */
    CHANNEL_LINES,    /**< the sender only sends, never waits; 4 MiB are kept for a slow reader */
    CHANNEL_EVENTS,   /**< neither end waits: messages of ipc.h both ways, with descriptors; the
                           asker's end is on its loop (channel.h) */
};

/** A channel that a process has to a lasting one. */
struct process_link {
    enum process_id to;
    uint64_t rights; /**< what may be asked over it, as the other one defines it */
};

/** When a process that ended is started again. Whoever ends within a second of its start waits
 *  longer each time, up to a second. */
enum process_restart {
    RESTART_NEVER, /**< it answers one question and ends */
    RESTART_SOON,  /**< at once */
    RESTART_LATER, /**< after ten seconds */
};

struct process_start {
    enum process_id id;
    int guardian;      /**< SEQPACKET, messages of ipc.h; its end is the order to end. For one
                            question: the memfd for the answer */
    const int *others; /**< own ends of the row's links, by enum process_id; -1 without one */
    const char *user;  /**< whom processes become; NULL: as we are */
    const struct protect_shared *shared; /**< what workers share; NULL before the first settings */
    const char *state;    /**< path of the state folder; NULL before the first settings */
    const void *question; /**< what the starter has for it: see each function */
};

struct process_row {
    const char *name; /**< ps shows "gardien NAME", the log and `gardien status` NAME */
    enum sandbox_role role;
    enum process_restart restart;
    enum process_channel channel;     /**< of those who are linked to it */
    const struct process_link *links; /**< whom it talks to itself */
    size_t link_count;
    bool confines_itself; /**< the function calls process_confine(), once it has what it needs */
    bool heartbeat;       /**< answers IPC_PING; one that does not is ended and replaced */
    bool takes_settings;  /**< IPC_SETTINGS at the start and after each reload */
    bool takes_ports;     /**< IPC_PORTS at the start and after each reload: those to keep open */
    nsec_t end_max;       /**< how long it may take to end once the guardian's socket is closed */
    /** Shall it run by these settings? NULL: always. */
    bool (*wanted)(const struct settings *settings);
    /** Opens, with the guardian's rights, what goes with each IPC_SETTINGS; NULL: nothing.
     *  @param ret_fds  room for PROCESS_FILES_MAX; -1 for one that could not be opened
     *  @return how many, or a negative error with a diag */
    int (*open_files)(const struct settings *settings, int state_fd, struct diags *diags,
                      int *ret_fds);
    /** The process. @return its exit code */
    int (*run)(const struct process_start *start);
};

enum {
    PROCESS_FILES_MAX = 8,
    PROCESS_UNCONFINED = 72, /**< exit code of one that could not take the steps of its role */
};

extern const struct process_row process_rows[PROCESSES];

/* ---- for the function of a process ---- */

/** Takes the steps of the row's role; done already unless the row says `confines_itself`. Tells the
 *  guardian what fails. @return 0, SANDBOX_NO_LANDLOCK, or a negative error */
must_check int process_confine(const struct process_start *start, const int *folders, size_t count);

/** Sends the guardian a sentence for its log, where foreign bytes are escaped. */
void process_note(const struct process_start *start, enum log_level level, const char *format, ...)
    printf_like(3, 4);
/** The same of each finding, with its hint: warnings as such, the rest as notices. */
void process_note_findings(const struct process_start *start, const struct findings *findings);

/** What a process does with what it hears. Each may be NULL. */
struct process_service {
    /** Before anything is heard. @return 0, or an error, which ends the process */
    int (*begin)(void *context, struct process_server *server);
    /** A message of the guardian: not IPC_PING nor IPC_CLIENT, which are answered here. Take a
     *  descriptor by setting it to -1. @return 0, or an error, which ends the process */
    int (*on_order)(void *context, struct ipc_message *message);
    /** One more channel, with the rights of its link. */
    void (*on_client_new)(void *context, int socket, uint64_t rights);
    /** A channel can be read; it is a socket that a taken worker may abuse.
     *  @return false to close it */
    bool (*on_client)(void *context, int socket);
    /** A channel was closed, by whoever: answers owed to it are to be forgotten. */
    void (*on_client_gone)(void *context, int socket);
    /** At the end, on_client() is called for what workers have sent already. */
    bool drains;
    /** The guardian is gone, or ends us. Channels are still open. */
    void (*end)(void *context);
};

/** For a process's own descriptors and timers. */
struct loop *process_server_loop(struct process_server *server);
/** What waits now is served without waiting for more: for work that takes long.
 *  @return 0, or ERR_CLOSED when the process is to end */
must_check int process_server_turn(struct process_server *server);

/** The life of a lasting process, until the guardian's socket ends. @return the exit code */
int process_serve(const struct process_start *start, const struct process_service *service,
                  void *context);
