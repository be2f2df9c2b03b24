/* Files that are never served, whatever path leads to them: those that gardien was given or made,
 * known by their inodes, and whatever begins as a private key. Looked at when a file is opened;
 * what is in the cache has passed. */
#pragma once

#include <stddef.h>

#include "serve/files/open.h"

struct file_number {
    uint64_t device;
    uint64_t inode;
};

struct files_guard {
    struct file_number *items; /**< private keys in use, and files in the state folder */
    size_t count;
    struct file_number state; /**< the state folder, when it lies beneath a served one; else zero */
};

/** Sorts the numbers, for files_guard_has(). */
void files_guard_sort(struct files_guard *guard);
bool files_guard_has(const struct files_guard *guard, const struct file_identity *identity);
/** Does a file begin as a private key: PEM (with certificates before it, too), PKCS#8, PKCS#1 or EC
 *  in DER form, PuTTY's? Reads its beginning. */
bool file_begins_as_key(int fd, int64_t size);
/** Is the folder in which the path stands the one of that number, or beneath it?
 *  @param path  of a file; the folder itself with a "/" or "." at its end */
bool file_is_beneath(int root_fd, const struct file_path *path, const struct file_number *folder);
