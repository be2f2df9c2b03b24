/* Opening beneath a root: what a path leads to, and how to know later that it still does. */
#pragma once

#include "base/nsec.h"
#include "base/span.h"

enum { FILE_PATH_MAX = 4096 };

/** Tells one version of a file from another. All zero: there is no file. */
struct file_identity {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    nsec_t modified; /**< since 1970 */
    nsec_t changed;  /**< of content or inode; by the kernel's clock, no one can set it */
};

enum file_kind { FILE_REGULAR, FILE_DIRECTORY, FILE_OTHER };

struct opened_file {
    int fd;
    enum file_kind kind;
    struct file_identity identity;
};

/** A path relative to the root, with a NUL. */
struct file_path {
    char text[FILE_PATH_MAX];
    size_t len;
};

bool file_identity_equal(const struct file_identity *a, const struct file_identity *b);
/** @return 0, or -errno */
must_check int file_identify(int fd, struct file_identity *ret_identity, enum file_kind *ret_kind);

/** Sets the path to the root-relative form of an absolute one ("/" becomes ".").
 *  @return 0, or -ENAMETOOLONG */
must_check int file_path_set(struct file_path *path, struct span absolute);
/** @return 0, or -ENAMETOOLONG with the path unchanged */
must_check int file_path_append(struct file_path *path, struct span more);

/** Opens what the path names, following symbolic links that stay beneath the root. Never waits for
 *  the other end of a FIFO, never takes a terminal.
 *  @param flags  O_RDONLY, O_PATH, O_DIRECTORY…
 *  @return 0, or -errno: -ENOENT for all that is not there or would lead out (then *ret_left, which
 *          may be NULL, is set) */
must_check int file_open(int root_fd, const struct file_path *path, int flags,
                         struct opened_file *ret_file, bool *ret_left);
/** Closes the descriptor if there is one (not -1). */
void opened_file_close(struct opened_file *file);
