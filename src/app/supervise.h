/* The workers: started, heard, drained, and replaced when they die. */
#pragma once

#include "app/child.h"
#include "app/endpoints.h"
#include "app/ipc.h"
#include "app/processes.h"
#include "app/served.h"

struct protect_shared;
struct workers;

#define APPLY_TIMEOUT (20 * NSEC_PER_SEC) /* for workers to take new settings */

enum worker_state { WORKER_CURRENT, WORKER_CANDIDATE, WORKER_DRAINING };

struct worker_process {
    struct list link;
    struct child child;
    struct workers *all;
    unsigned slot;          /* which share of the sockets it has */
    uint8_t udp_generation; /* of its UDP sockets; UDP_GENERATIONS: it has none */
    unsigned number;        /* its row of counters; unique among those alive */
    enum worker_state state;
    uint64_t applied; /* generation */
    nsec_t drain_until;
    struct folder *folders; /* what its sandbox lets it open */
    size_t folder_count;
    struct ipc_stats stats;
    struct loop_timer restart; /* set while it is not running and shall be */
};

/** What the guardian does when something happens. */
struct workers_events {
    /** One was started, or started again: it is given all that it serves.
     *  @return 0, or an error: it is ended, and started again */
    int (*on_started)(void *context, struct worker_process *worker);
    /** It serves the settings of that generation. */
    void (*on_applied)(void *context, struct worker_process *worker, uint64_t generation);
    /** It cannot serve them. @param generation  0: it ends right after each start */
    void (*on_failed)(void *context, uint64_t generation, const char *why);
    /** One is gone that is not replaced. */
    void (*on_gone)(void *context);
    void *context;
};

struct workers {
    struct list list;                   /**< of struct worker_process */
    unsigned rows;                      /**< most alive at a time, draining ones included */
    bool ending;                        /**< none is started again */
    uint8_t udp_generations[UDP_SLOTS]; /**< whose UDP sockets get first packets, by slot */
    struct loop *loop;
    const struct log *log;
    const struct process_host *host;
    struct processes *processes; /**< that they have channels to */
    struct protect_shared *shared;
    struct workers_events events;
};

/** Starts a worker for a share of the sockets. @return 0, or -errno */
must_check int supervise_spawn(struct workers *workers, unsigned slot, enum worker_state state);
/** Every worker gets a new channel to a process that was started. */
void supervise_connect(struct workers *workers, enum process_id id);
/** The process of this pid ended. @return whether it was a worker */
bool supervise_on_exit(struct workers *workers, pid_t pid, int status);
/** The worker of a slot that is in that state, or NULL. */
struct worker_process *supervise_find(const struct workers *workers, unsigned slot,
                                      enum worker_state state);
/** Notes the folders that a worker's sandbox is about to open. */
void supervise_note_folders(struct worker_process *worker, const struct served_folders *folders);
/** May the worker's sandbox open all of these? */
bool supervise_can_open(const struct worker_process *worker, const struct served_folders *folders);
void supervise_drain(struct worker_process *worker, nsec_t time);
/** All of them. */
void supervise_drain_all(struct workers *workers, nsec_t time);
void supervise_kill(struct worker_process *worker);
/** Cuts workers that did not finish in time. */
void supervise_cut_late(struct workers *workers, nsec_t now);
/** Sends one message to every worker; those that cannot take it are replaced. */
void supervise_send(struct workers *workers, const struct ipc_message *message);
/** The same without descriptors. */
void supervise_tell(struct workers *workers, enum ipc_kind kind, uint64_t value, struct span text);
/** Ends all at once. */
void supervise_free(struct workers *workers);
