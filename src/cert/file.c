/* Reading and replacing small files beneath a folder's descriptor. What is in them is the callers'
 * business. */
#include "cert/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int read_all(int fd, size_t size, struct buffer *bytes)
{
    int r = buffer_reserve(bytes, size + 1); /* one more byte tells whether it grew */

    while (r == 0) {
        ssize_t n = read(fd, bytes->data + bytes->len, size + 1 - bytes->len);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        bytes->len += n > 0 ? (size_t)n : 0;
        if (bytes->len > size)
            return ERR_CHANGED;
    }
    return r;
}

int file_read_stat(int dir, const char *path, size_t max, struct buffer *ret_bytes,
                   struct stat *ret_stat)
{
    struct stat st;
    struct buffer bytes = buffer_make(max + 1);
    scoped(close_fd) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((uint64_t)st.st_size > max)
        return ERR_LIMIT;
    int r = read_all(fd, (size_t)st.st_size, &bytes);
    if (r < 0) {
        file_wipe(&bytes);
        return r;
    }
    *ret_bytes = bytes;
    *ret_stat = st;
    return 0;
}

int file_read(int dir, const char *path, size_t max, struct buffer *ret_bytes)
{
    struct stat st;

    return file_read_stat(dir, path, max, ret_bytes, &st);
}

static int write_all(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR)
            return -errno;
        bytes = span_from(bytes, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int file_replace(int dir, const char *name, mode_t mode, struct span bytes)
{
    scoped(mem_release) char *temporary = mem_format(".%s.new", name);

    if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT) /* of a run that was cut short */
        return -errno;
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, bytes); /* whatever the umask */
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && renameat(dir, temporary, dir, name) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(dir, temporary, 0);
        return r;
    }
    return fsync(dir) < 0 && errno != EINVAL ? -errno : 0;
}

int file_open_folder(int dir, const char *name)
{
    struct stat st;

    if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022)))
        r = -EPERM;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

void file_wipe(struct buffer *bytes)
{
    if (bytes->data)
        OPENSSL_cleanse(bytes->data, bytes->room);
    buffer_finish(bytes);
}
