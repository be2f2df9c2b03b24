/* The folders that are served, open: `files` of each site and of its routes, in the order of
 * settings_folders(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

struct diags;
struct settings;

/** Which folder it is, whatever its path. */
struct folder {
    dev_t dev;
    ino_t ino;
};

/** Arrays of `count` items. */
struct served_folders {
    int *fds; /**< O_PATH directories */
    struct folder *ids;
    bool
        *unwatched; /**< its file system may keep us waiting: nobody looks whether the path moved */
    size_t count;
};

/** @return 0, or -errno with a diag; finish it in both cases */
must_check int served_folders_open(const struct settings *settings, struct diags *diags,
                                   struct served_folders *ret_folders);
/** The folders that the paths lead to now; one whose path leads nowhere stays as it was.
 *  @return 0, or -errno; finish it in both cases */
must_check int served_folders_renew(const struct settings *settings,
                                    const struct served_folders *old,
                                    struct served_folders *ret_folders);
void served_folders_finish(struct served_folders *folders);
/** Is an open folder one of `ids`, or does it lie beneath one? */
bool folder_lies_in(int folder, const struct folder *ids, size_t count);
