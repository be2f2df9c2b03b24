/* Handing over to another program, and taking over from one. */
#pragma once

#include "os/loop.h"
#include <stdbool.h>
#include <sys/types.h>

struct guardian;

struct upgrade {
    pid_t pid;               /* 0: none under way */
    struct loop_watch watch; /* its word that it is ready */
    struct loop_timer deadline;
};

/** Reads what a predecessor left in the environment. @return 0, or an error */
must_check int upgrade_inherit(struct guardian *g);
/** Starts the program anew.
 *  @param ret_why  on failure: a sentence, valid until the next call
 *  @return 0 when it is under way, or an error */
must_check int upgrade_begin(struct guardian *g, const char *program, const char **ret_why);
/** We are told to stop: the new program ends too, and who waits for the upgrade hears so. */
void upgrade_cancel(struct guardian *g);
/** Process 1 of a container takes all others with it when it ends. So it stays after it has handed
 *  over, passes signals on to who serves now, and ends with its exit code when nobody is left.
 *  @param successor  pid of the program that took over
 *  @param state      the state folder, whose lock names who serves
 *  @return an exit code */
int upgrade_remain(pid_t successor, const char *state);
bool upgrade_on_exit(struct guardian *g, pid_t pid);
/** Tells the predecessor that we serve. */
void upgrade_ready(struct guardian *g);
