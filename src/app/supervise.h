/* The workers: started, heard, drained, and replaced when they die. */
#pragma once

#include "app/child.h"
#include "app/deployment.h"
#include "app/ipc.h"
#include "app/process.h"

struct guardian;

enum worker_state { WORKER_CURRENT, WORKER_CANDIDATE, WORKER_DRAINING };

struct worker_process {
    struct list link;
    struct child child;
    struct guardian *guardian;
    unsigned slot;   /* which share of the sockets it has */
    unsigned number; /* its row of counters; unique among those alive */
    enum worker_state state;
    uint64_t applied; /* generation */
    nsec_t drain_until;
    struct folder *folders; /* what its sandbox lets it open */
    size_t folder_count;
    struct ipc_stats stats;
    struct loop_timer restart; /* set while it is not running and shall be */
};

/** Starts a worker for a share of the sockets. @return 0, or -errno */
must_check int supervise_spawn(struct guardian *g, unsigned slot, enum worker_state state);
/** Every worker gets a new channel to a process that was started. */
void supervise_connect(struct guardian *g, enum process_id id);
/** The process of this pid ended. @return whether it was a worker */
bool supervise_on_exit(struct guardian *g, pid_t pid, int status);
/** The worker of a slot that is not draining, or NULL. */
struct worker_process *supervise_find(struct guardian *g, unsigned slot, enum worker_state state);
/** May the worker's sandbox open all folders of a deployment? */
bool supervise_can_open(const struct worker_process *worker, const struct deployment *deployment);
void supervise_drain(struct worker_process *worker, nsec_t time);
void supervise_kill(struct worker_process *worker);
/** Cuts workers that did not finish in time. */
void supervise_cut_late(struct guardian *g, nsec_t now);
/** Sends one message to every worker; those that cannot take it are replaced. */
void supervise_send(struct guardian *g, const struct ipc_message *message);
/** The same without descriptors. */
void supervise_tell(struct guardian *g, enum ipc_kind kind, uint64_t value, struct span text);
void supervise_free(struct guardian *g);
