/* The guardian's state as one struct; each part has a header of its own, and guardian.c wires them.
 */
#pragma once

#include "app/acme.h"
#include "app/control_server.h"
#include "app/deployment.h"
#include "app/folders.h"
#include "app/guardian.h"
#include "app/key_ring.h"
#include "app/prepare.h"
#include "app/processes.h"
#include "app/supervise.h"
#include "app/upgrade.h"
#include "app/watchdog.h"
#include "base/log.h"

enum guardian_phase { PHASE_STARTING, PHASE_SERVING, PHASE_STOPPING, PHASE_HANDED_OVER };

struct guardian {
    const struct guardian_options *options;
    struct loop *loop;
    struct log log;
    struct output standard_error; /* for the log, where it has no file */
    enum guardian_phase phase;
    int exit_code;
    struct loop_watch signals;
    struct loop_timer housekeeping;
    struct loop_timer stop_deadline;
    struct loop_timer manager_watchdog; /* WATCHDOG=1 for the service manager */
    nsec_t manager_watchdog_step;       /* 0: it does not watch */
    struct watchdog watchdog;
    struct folders_watch folders;
    bool renews_folders;  /* `next` is the same as `live` but for them */
    bool folders_refused; /* the last try to renew them failed */

    int state_fd;
    int lock_fd;
    char *state; /* path of the state folder */
    char *user;  /* whom unprivileged processes become; NULL: as we are */

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
    struct process_host host;
    struct processes processes;
    unsigned char ticket_keys[TICKET_KEYS_MAX][TICKET_KEY_SIZE]; /* current, next, previous */
    unsigned char quic_secret[SERVER_QUIC_SECRET]; /* right behind: host.secrets is both */
    size_t ticket_key_count;
    struct loop_timer ticket_rotation;
    unsigned ocsp_processes; /* that ask now */
    struct acme_orders acme;

    struct workers workers;

    struct loop_watch control;
    struct list clients;
    size_t client_count;
    uint64_t bans_asked; /* questions about bans so far */
    struct upgrade upgrade;
    pid_t successor; /* that took over from us, or 0 */
};

/** Ends with the diags shown: at the start, for a deployment that cannot be. */
void guardian_fail(struct guardian *g, int exit_code, const struct diags *diags);
void guardian_stop(struct guardian *g, nsec_t deadline);
/** A worker is gone: is that the end? */
void guardian_on_worker_gone(void *context);
/** Connects the parts: who hears of what. */
void guardian_wire(struct guardian *g);
/** First deployment served: tell people and programs. */
void guardian_on_ready(struct guardian *g);
/** Folder, lock, rows of counters: what follows from the first settings.
 *  @return 0, or an error with diags */
must_check int guardian_settle(struct guardian *g, const struct prepared *prepared,
                               struct diags *diags);
