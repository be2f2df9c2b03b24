/* Small files read whole, and replaced whole: a reader sees the old bytes or the new, never a mix.
 */
#pragma once

#include <sys/stat.h>

#include "base/buffer.h"

/** Reads a regular file (`dir` may be AT_FDCWD) without ever waiting on a FIFO or a device. The
 *  buffer is allocated once, so that wiping it leaves no copy behind.
 *  @param max  most bytes
 *  @return 0; ERR_LIMIT; ERR_CHANGED when it grew meanwhile; -EINVAL for no regular file; -errno */
must_check int file_read(int dir, const char *path, size_t max, struct buffer *ret_bytes);
/** What the file was when it was opened for file_read(), too. */
must_check int file_read_stat(int dir, const char *path, size_t max, struct buffer *ret_bytes,
                              struct stat *ret_stat);
/** Writes a new file beside `name`, fsyncs it, renames it over `name` and fsyncs the folder.
 *  @return 0 or -errno, with the old file intact */
must_check int file_replace(int dir, const char *name, mode_t mode, struct span bytes);
/** Opens a folder beneath `dir`, made with 0700 if missing, never through a symbolic link.
 *  @return a descriptor; -EPERM when it is not ours or others may write to it; -errno */
must_check int file_open_folder(int dir, const char *name);
/** Overwrites the bytes, then frees them. */
void file_wipe(struct buffer *bytes);
