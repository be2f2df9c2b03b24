/* The guardian's side of the lasting processes of the table: which run, what they are told, their
 * channels to the workers, replacement and end. */
#pragma once

#include "app/child.h"
#include "app/ipc.h"
#include "app/process_launch.h"
#include "os/ports.h"

/** What processes are told, as it is now. */
struct process_orders {
    const struct settings *settings; /**< NULL: none yet */
    const char *text;                /**< the settings, flattened */
    int state_fd;
    struct ports ports; /**< that other hosts may want to reach */
};

/** What the guardian does when something happens. */
struct process_events {
    /** A process was started, or started again: it is told what its row does not say. */
    void (*on_started)(void *context, enum process_id id);
    /** It ended, and may be started again. */
    void (*on_ended)(void *context, enum process_id id);
    /** It has channels anew: every worker gets one. */
    void (*on_channel)(void *context, enum process_id id);
    /** A message that is not of process.h's kinds. */
    void (*on_message)(void *context, enum process_id id, const struct ipc_message *message);
    void (*orders)(void *context, struct process_orders *ret_orders);
    void *context;
};

struct process {
    struct child child;
    struct loop_timer restart;
    struct processes *all;
    nsec_t notes_since; /* notes are counted from here on */
    unsigned notes;
};

struct processes {
    struct process items[PROCESSES_LASTING];
    struct loop *loop;
    const struct log *log;
    const struct process_host *host;
    struct process_events events;
    bool ending;     /* none is started again */
    bool ports_left; /* to a successor: no port keeper is started again */
};

/** Empty: no process runs, and all calls below but processes_start() work. */
void processes_init(struct processes *processes);
/** Starts one that does not run. @return 0, or -errno */
must_check int processes_start(struct processes *processes, enum process_id id);
/** Starts what these orders want, ends what they do not want, and tells each its settings. */
void processes_follow(struct processes *processes);
/** The same of processes that keep ports open. */
void processes_follow_ports(struct processes *processes);
/** A new channel for a link: one end goes to the other process (or nowhere while that does not
 * run).
 *  @return the end of who is linked to it, or -errno */
must_check int processes_connect(struct processes *processes, const struct process_link *link);
/** The link of a row to a process, or NULL. */
const struct process_link *process_link_find(enum process_id from, enum process_id to);
/** Channels for all links of a row. @return 0, or -errno with some of them made */
must_check int processes_open_links(struct processes *processes, struct process_launch *launch);
/** Closes them in the guardian. */
void processes_close_links(struct process_launch *launch);
/** @return 0; -ENOTCONN when it does not run; -errno */
must_check int processes_order(struct processes *processes, enum process_id id,
                               const struct ipc_message *message);
/** The process of this pid ended. @return whether it was one of them */
bool processes_on_exit(struct processes *processes, pid_t pid, int status);
/** Tells those to end that take longest: they give ports back. No process is started again. */
void processes_release(struct processes *processes);
/** Ends those at once; the ports stay open, for somebody who has taken over. */
void processes_abandon(struct processes *processes);
/** Closes the sockets to all and waits for them, each for its time at most; the loop is not
 *  needed. */
void processes_stop(struct processes *processes);
