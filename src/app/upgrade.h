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
/** Starts the program anew. @return 0 when it is under way, or an error */
must_check int upgrade_begin(struct guardian *g, const char *program);
bool upgrade_on_exit(struct guardian *g, pid_t pid);
/** Tells the predecessor that we serve. */
void upgrade_ready(struct guardian *g);
