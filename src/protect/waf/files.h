/* The files of rules and their data as one set: read from the disk once, by a process that may, and
 * handed to others as bytes. */
#pragma once

#include "base/buffer.h"

struct waf_files;

/** An empty set. @param disk  what is missing is read from the disk, and kept */
struct waf_files *waf_files_create(bool disk);
void waf_files_destroy(struct waf_files *files);
/** @return 0 with bytes that live as long as the set; -errno; ERR_LIMIT past 16 MiB */
must_check int waf_files_read(struct waf_files *files, const char *path, struct span *ret_bytes);
/** The paths that a pattern of glob(7) matches, in order, each followed by "\n".
 *  @return 0 with text that lives as long as the set; ERR_NOT_FOUND when none does; -errno */
must_check int waf_files_match(struct waf_files *files, const char *pattern,
                               struct span *ret_paths);
/** All of it as bytes. @return 0, or ERR_LIMIT */
must_check int waf_files_pack(const struct waf_files *files, struct buffer *out);
/** @return 0, or ERR_SYNTAX */
must_check int waf_files_unpack(struct span bytes, struct waf_files **ret_files);
