/* Sees when the path of a served folder leads to another folder than before. */
#pragma once

#include <stddef.h>

#include "base/nsec.h"
#include "os/loop.h"

struct settings;
struct served_folders;

struct folders_watch {
    struct loop *loop;
    /** What is served now. @return false while nothing shall be looked at */
    bool (*served)(void *context, const struct served_folders **ret_folders,
                   const struct settings **ret_settings);
    void (*on_moved)(void *context);
    void *context;
    struct loop_timer timer; /* private */
    size_t at;               /* the folder to look at next */
};

/** Begins to look whether the paths of served folders lead to other ones than before. */
void folders_watch_start(struct folders_watch *watch);
/** Looks again after that time. */
void folders_watch_pause(struct folders_watch *watch, nsec_t time);
