/* What kind of file system something is on. */
#pragma once

#include <stdbool.h>

/** Whether asking it about a path may wait for another machine or program without end: a network's
 *  file system, or one of FUSE.
 *  @param fd  any descriptor on it, O_PATH too */
bool filesystem_may_hang(int fd);
/** The same by the number of its kind. Source: statfs(2), linux/magic.h */
bool filesystem_kind_may_hang(unsigned long kind);
