/* openat2() beneath the root, and identities from fstat(). Which name to open is locate.c's.
 */
#include "serve/files/open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RACE_RETRIES = 8 };

bool file_identity_equal(const struct file_identity *a, const struct file_identity *b)
{
    return a->inode == b->inode && a->size == b->size && a->modified == b->modified &&
           a->changed == b->changed && a->device == b->device;
}

static nsec_t nsec_of(struct timespec t)
{
    return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

int file_identify(int fd, struct file_identity *ret_identity, enum file_kind *ret_kind)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *ret_identity = (struct file_identity){st.st_dev, st.st_ino, st.st_size, nsec_of(st.st_mtim),
                                           nsec_of(st.st_ctim)};
    *ret_kind = S_ISREG(st.st_mode)   ? FILE_REGULAR
                : S_ISDIR(st.st_mode) ? FILE_DIRECTORY
                                      : FILE_OTHER;
    return 0;
}

int file_path_set(struct file_path *path, struct span absolute)
{
    struct span relative = span_from(absolute, 1);

    path->len = 0;
    path->text[0] = '\0';
    return file_path_append(path, relative.len ? relative : SPAN("."));
}

int file_path_append(struct file_path *path, struct span more)
{
    if (more.len >= sizeof path->text - path->len)
        return -ENAMETOOLONG;
    memcpy(path->text + path->len, more.ptr, more.len);
    path->len += more.len;
    path->text[path->len] = '\0';
    return 0;
}

/* What the world may know: most reasons for not being there are the same to a client. */
static int seen_from_outside(int error, bool *ret_left)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO: /* a socket */
    case ENODEV:
        return -ENOENT;
    case EXDEV:
        if (ret_left)
            *ret_left = true;
        return -ENOENT;
    default:
        return -error;
    }
}

int file_open(int root_fd, const struct file_path *path, int flags, struct opened_file *ret_file,
              bool *ret_left)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    struct opened_file file;
    long fd;

    if (flags & O_PATH) /* openat2() refuses flags that mean nothing */
        how.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC);
    /* EAGAIN: something was renamed just while ".." in a link was being followed. */
    for (int tries = 0;; tries++) {
        fd = syscall(SYS_openat2, root_fd, path->text, &how, sizeof how);
        if (fd >= 0)
            break;
        if ((errno != EAGAIN && errno != EINTR) || tries == RACE_RETRIES)
            return seen_from_outside(errno, ret_left);
    }
    file.fd = (int)fd;
    int r = file_identify(file.fd, &file.identity, &file.kind);
    if (r < 0) {
        close(file.fd);
        return r;
    }
    *ret_file = file;
    return 0;
}

void opened_file_close(struct opened_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
