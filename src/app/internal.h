/* The guardian's state, shared by the files that make it up; nobody else sees it.
 *
 *   guardian.c    signals, start and end
 *   reload.c      settings → deployment → workers, at the start and at each reload
 *   deployment.c  what is served: sockets, folders, certificates
 *   supervise.c   workers: start, orders, replacement
 *   watchdog.c    those that hang, found and ended
 *   folders.c     folders that were exchanged under their path
 *   keeper.c      the keys and logs processes
 *   key_ring.c    private keys in use, ticket keys
 *   stapler.c     OCSP answers for certificates that name a responder
 *   control.c     the control socket
 *   upgrade.c     handing over to another program */
#pragma once

#include <jansson.h>
#include <sys/stat.h>

#include "app/endpoints.h"
#include "app/guardian.h"
#include "app/ipc.h"
#include "app/ocsp.h"
#include "app/prepare.h"
#include "app/snapshot.h"
#include "base/list.h"
#include "base/log.h"
#include "os/loop.h"
#include "os/process.h"
#include "tls/tls.h"

/* ---- what is served ---- */

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

/** Which folder it is, whatever its path. */
struct folder {
    dev_t dev;
    ino_t ino;
};

struct deployed_site {
    int root_fd;
    struct folder root;
    bool unwatched; /* its file system may keep us waiting: nobody looks whether the path moved */
    struct key **keys;
    size_t key_count;
};

struct deployment {
    struct prepared prepared;
    struct endpoints endpoints;
    struct deployed_site *sites;
    size_t site_count;
    int access_fd; /* log files, -1 for none */
    int error_fd;
    bool borrows; /* `prepared` is that of the deployment before it, whose folders it renews */
};

/* ---- processes ---- */

/* Whether a process answers. */
struct pulse {
    bool asked;    /* a PING is unanswered */
    bool missed;   /* at the last look it was unanswered already: what follows is set */
    nsec_t silent; /* how long it has been so, while it did not wait for CPU or disk */
    nsec_t cpu;    /* that it had used by then */
};

struct child {
    pid_t pid;  /* 0: not running */
    int socket; /* SEQPACKET, -1: none */
    struct loop_watch watch;
    nsec_t started;
    unsigned failures; /* ends within SHORT_LIFE, in a row */
    struct pulse pulse;
};

/* A process that keeps doors open; see doors.h. */
enum { DOOR_ROUTER, DOOR_FIREWALL, DOORS };

struct door {
    struct child child;
    struct loop_timer restart;
    struct guardian *guardian; /* NULL until it first ran */
};

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

enum guardian_phase { PHASE_STARTING, PHASE_SERVING, PHASE_STOPPING, PHASE_HANDED_OVER };

struct control_client {
    struct list link;
    struct loop_watch watch;
    struct guardian *guardian;
    struct buffer input;
    uint64_t reload_turn; /* the reload that it waits for; 0: none */
    bool waits_for_upgrade;
    bool waits_for_stop;
    struct loop_timer status; /* when workers have had time to say what they do */
};

struct upgrade {
    pid_t pid;               /* 0: none under way */
    struct loop_watch watch; /* its word that it is ready */
    struct loop_timer deadline;
};

struct guardian {
    const struct guardian_options *options;
    struct loop *loop;
    struct log log;
    enum guardian_phase phase;
    int exit_code;
    struct loop_watch signals;
    struct loop_timer housekeeping;
    struct loop_timer stop_deadline;
    struct loop_timer heartbeat;
    nsec_t heartbeat_at; /* when the last one was to be */
    struct loop_timer folders;
    size_t folders_at;    /* the site to look at next */
    bool renews_folders;  /* `next` is the same as `live` but for them */
    bool folders_refused; /* the last try to renew them failed */

    int state_fd;
    int lock_fd;
    const char *user; /* whom children become; NULL: as we are */
    char *user_room;

    struct deployment *live; /* NULL before the first one is served */
    struct deployment *next; /* being given to the workers */
    uint64_t generation;     /* of what the workers were told last */
    struct endpoints inherited;
    struct prepare_job prepare;
    struct loop_timer apply_deadline;
    bool reload_again;    /* asked for while one is under way */
    uint64_t reload_turn; /* counts reloads begun */
    nsec_t renewed_at;    /* last try to renew, monotonic */

    struct list keys;
    uint64_t next_key_id;
    struct key_making making; /* on_made NULL: none */
    struct child keys_process;
    struct child logs_process;
    struct door doors[DOORS];
    struct loop_timer keys_restart;
    struct loop_timer logs_restart;
    unsigned char ticket_keys[TICKET_KEYS_MAX][TICKET_KEY_SIZE]; /* current, next, previous */
    size_t ticket_key_count;
    struct loop_timer ticket_rotation;
    unsigned ocsp_processes; /* that ask now */

    struct list workers;
    unsigned rows; /* most workers alive at a time, draining ones included */
    struct peers *peers;

    struct loop_watch control;
    struct list clients;
    size_t client_count;
    struct upgrade upgrade;
    int predecessor; /* socket to the program that we take over from, or -1 */
};

enum { CONTROL_CLIENTS_MAX = 16 };

#define SHORT_LIFE NSEC_PER_SEC       /* a process that ends sooner is started again ever later */
#define KEY_GRACE (60 * NSEC_PER_SEC) /* handshakes that began with a former key */
#define DRAIN_AFTER_RELOAD (24 * 3600 * NSEC_PER_SEC)
#define APPLY_TIMEOUT (20 * NSEC_PER_SEC)
#define UPGRADE_TIMEOUT (30 * NSEC_PER_SEC)
#define STATUS_TIME (50 * NSEC_PER_MSEC)

/* watchdog.c */
/** Begins to ask the keys process and the workers for signs of life; those that hang are ended, and
 *  then replaced as if they had died. */
void watchdog_start(struct guardian *g);
/** Takes note of a message that a process sent. */
void watchdog_hear(struct child *child, const struct ipc_message *message);
/** One look at a process that has not answered: does it hang?
 *  @param passed    since the last look; 0 when that time shall not count
 *  @param deadline  how long it may be silent, or compute without a word */
bool watchdog_judge(struct pulse *pulse, const struct process_activity *activity, nsec_t passed,
                    nsec_t deadline);

/* folders.c */
/** Begins to look whether the paths of served folders lead to other ones than before. */
void folders_watch(struct guardian *g);

/* deployment.c */
/** Opens what the prepared settings name. Takes over `prepared`, also on failure.
 *  @return 0, or an error with diags */
must_check int deployment_create(struct guardian *g, struct prepared *prepared, struct diags *diags,
                                 struct deployment **ret_deployment);
void deployment_destroy(struct guardian *g, struct deployment *deployment);
/** The live deployment with the folders that its paths lead to now; one that is not there stays as
 * it was. @return 0, or an error with diags */
must_check int deployment_renew_folders(struct guardian *g, struct diags *diags,
                                        struct deployment **ret_deployment);
/** Opens the log files anew. @return 0, or -errno with a diag and the old ones kept */
must_check int deployment_open_logs(struct deployment *deployment, struct diags *diags);
/** Sends a worker all that it serves. @return 0, or an error */
must_check int deployment_send(struct guardian *g, const struct deployment *deployment,
                               const struct worker_process *worker);

/* keeper.c */
must_check int keeper_start_keys(struct guardian *g);
must_check int keeper_start_logs(struct guardian *g);
/** A new pair of sockets: one end goes to the helper (or nowhere while it does not run), the other
 * is returned. @param rights  bits of enum keys_rights. @return a descriptor, or -errno */
must_check int keeper_connect_keys(struct guardian *g, unsigned rights);
must_check int keeper_connect_logs(struct guardian *g);
/** Tells the logs process which files to write. */
void keeper_send_log_files(struct guardian *g, const struct deployment *deployment);
void keeper_on_exit(struct guardian *g, struct child *helper);
/** Closes the sockets to both and waits, at most a second, for the last lines to be written. */
void keeper_stop(struct guardian *g);

/* key_ring.c */
struct key_source {
    enum keys_purpose purpose;
    int fd;                /* open for reading; taken over */
    const char *path;      /* for messages */
    const char *chain_pem; /* whose key it is; NULL but for KEYS_FOR_SERVER and KEYS_FOR_CLIENT */
};
/** The key in an open file, loaded into the keys process unless it is there.
 *  @return 0, or an error with a diag */
must_check int key_ring_load(struct guardian *g, const struct key_source *source,
                             struct diags *diags, struct key **ret_key);
/** Has the keys process make a key and write it to making->fd, which it takes over when it returns
 *  0. Nobody else sees the private half: whoever asked gives the file its name when it was told
 * that the key is made. One at a time.
 *  @return 0, -EBUSY, or another -errno */
must_check int key_ring_make(struct guardian *g, const struct key_making *wanted);
/** Takes note of a message of the keys process. */
void key_ring_hear(struct guardian *g, const struct ipc_message *message);
/** The keys process ended: a key that it was making will not come. */
void key_ring_keys_gone(struct guardian *g);
void key_ring_unref(struct guardian *g, struct key *key);
/** Gives every key to a new keys process. */
void key_ring_give_all(struct guardian *g);
/** Drops keys that nobody has used for KEY_GRACE. */
void key_ring_drop_unused(struct guardian *g, nsec_t now);
void key_ring_free(struct guardian *g);
void key_ring_make_tickets(struct guardian *g);
/** Sets the time of the next ticket key, by the settings in force. */
void key_ring_arm_rotation(struct guardian *g);

/* stapler.c */
/** The key's certificate names a responder: it is asked from now on, for as long as the key is in
 *  use. @param name   of its site, for messages
 *  @param known  what the prepare process found; copied */
void stapler_attach(struct guardian *g, struct key *key, const char *name,
                    const struct ocsp_answer *known);
/** Ends that. */
void stapler_detach(struct key *key);
/** What to staple for the key's certificate, or NULL; valid until the next event. */
const struct ocsp_answer *stapler_answer(const struct key *key);
/** The process of this pid ended. @return whether it asked a responder */
bool stapler_on_exit(struct guardian *g, pid_t pid, int status);

/* doors.c */
/** The processes that keep doors open are told of the ports that are served now; each is started
 *  where it is wished and ended where it is not. */
void doors_follow(struct guardian *g);
/** The process of this pid ended. @return whether it was one of them */
bool doors_on_exit(struct guardian *g, pid_t pid);
/** Tells them to give the ports back and to end. */
void doors_release(struct guardian *g);
/** Waits for that, some seconds at most; the loop is not needed. */
void doors_await(struct guardian *g);
/** Ends them at once; the ports stay open, for somebody who has taken over. */
void doors_abandon(struct guardian *g);

/* supervise.c */
/** Starts a worker for a share of the sockets. @return 0, or -errno */
must_check int supervise_spawn(struct guardian *g, unsigned slot, enum worker_state state);
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

/* reload.c */
/** Reads the settings anew and serves them; also the start. One that is asked for while another is
 *  under way follows it. */
void reload_begin(struct guardian *g);
/** Is a certificate of the local CA due? Once an hour at most. */
void reload_renew(struct guardian *g, nsec_t now);
/** Serves the folders that paths lead to now, by the settings in force; not while a reload is under
 *  way. */
void reload_folders(struct guardian *g);
void reload_on_prepared(struct guardian *g, int status);
void reload_on_applied(struct guardian *g, struct worker_process *worker, uint64_t generation);
void reload_on_failed(struct guardian *g, uint64_t generation, const char *why);
void reload_reopen_logs(struct guardian *g);

/* guardian.c */
/** Ends with the diags shown: at the start, for a deployment that cannot be. */
void guardian_fail(struct guardian *g, int exit_code, const struct diags *diags);
void guardian_stop(struct guardian *g, nsec_t deadline);
/** A worker is gone: is that the end? */
void guardian_on_worker_gone(struct guardian *g);
/** First deployment served: tell people and programs. */
void guardian_on_ready(struct guardian *g);
/** Folder, lock, rows of counters: what follows from the first settings.
 *  @return 0, or an error with diags */
must_check int guardian_settle(struct guardian *g, const struct prepared *prepared,
                               struct diags *diags);

/* control.c */
/** Starts to listen at STATE/control.sock, in place of who did before. @return 0, or -errno */
must_check int control_listen(struct guardian *g, struct diags *diags);
void control_reload_done(struct guardian *g, enum app_exit code, const struct diags *diags);
void control_upgrade_done(struct guardian *g, bool fine, const char *text);
void control_stop_done(struct guardian *g);
/** @param remove  also removes the socket's name, unless another program has taken it */
void control_finish(struct guardian *g, bool remove);

/* upgrade.c */
/** Reads what a predecessor left in the environment. @return 0, or an error */
must_check int upgrade_inherit(struct guardian *g);
/** Starts the program anew. @return 0 when it is under way, or an error */
must_check int upgrade_begin(struct guardian *g, const char *program);
bool upgrade_on_exit(struct guardian *g, pid_t pid);
/** Tells the predecessor that we serve. */
void upgrade_ready(struct guardian *g);
