/* Handing over to another program, and taking over from one. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "app/endpoints.h"
#include "app/snapshot.h"
#include "os/loop.h"

struct log;

/** What one program hands over to the next. */
struct upgrade_bundle {
    struct endpoints endpoints;
    int lock_fd; /**< of the state folder */
    unsigned char ticket_keys[TICKET_KEYS_MAX][TICKET_KEY_SIZE];
    size_t ticket_key_count;
    unsigned char quic_secret[SERVER_QUIC_SECRET];
    uint8_t udp_generations[UDP_SLOTS]; /**< of the workers that serve now */
};

struct upgrade_events {
    /** @return why there can be no upgrade now, as a sentence, or NULL */
    const char *(*refusal)(void *context);
    /** Fills the bundle, whose parts stay the guardian's. */
    void (*bundle)(void *context, struct upgrade_bundle *ret_bundle);
    /** The other program serves: this one hands over. @return whether it does */
    bool (*on_serving)(void *context, pid_t pid);
    /** It came to nothing: all is as before. */
    void (*on_failed)(void *context, const char *why);
    void *context;
};

struct upgrade {
    pid_t pid; /**< of the other program; 0: no upgrade is under way */
    struct loop *loop;
    const struct log *log;
    char *const *argv; /**< of the new program */
    struct upgrade_events events;
    struct loop_watch watch; /* private: its word that it is ready */
    struct loop_timer deadline;
    int predecessor; /* socket to the program that we take over from, or -1 */
};

/** Reads what a predecessor left in the environment; without any, nothing is written.
 *  @return 0, 1 when there was a predecessor, or an error */
must_check int upgrade_inherit(struct upgrade *upgrade, struct upgrade_bundle *ret_bundle);
/** Starts the program anew.
 *  @param program  NULL: our own file, as it is now
 *  @param ret_why  on failure: a sentence, valid until the next call
 *  @return 0 when it is under way, or an error */
must_check int upgrade_begin(struct upgrade *upgrade, const char *program, const char **ret_why);
/** We are told to stop: the new program ends too, and who waits for the upgrade hears so. */
void upgrade_cancel(struct upgrade *upgrade);
/** Process 1 of a container takes all others with it when it ends. So it stays after it has handed
 *  over, passes signals on to who serves now, and ends with its exit code when nobody is left.
 *  @param successor  pid of the program that took over
 *  @param state      the state folder, whose lock names who serves
 *  @return an exit code */
int upgrade_remain(pid_t successor, const char *state);
bool upgrade_on_exit(struct upgrade *upgrade, pid_t pid);
/** Tells the predecessor that we serve. */
void upgrade_ready(struct upgrade *upgrade);
