/* Answers of OCSP responders in the state folder, so that a restart can staple at once. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/file.h"
#include "cert/ocsp.h"

#define KEEP (30 * 24 * 3600 * NSEC_PER_SEC)

static const char folder_name[] = "ocsp";

enum { NAME_SIZE = 2 * CERT_FINGERPRINT_SIZE + sizeof ".der" };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static const char *name_of(const unsigned char *fingerprint, char out[NAME_SIZE])
{
    for (size_t i = 0; i < CERT_FINGERPRINT_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", fingerprint[i]);
    memcpy(out + 2 * CERT_FINGERPRINT_SIZE, ".der", sizeof ".der");
    return out;
}

int cert_ocsp_load(int state_fd, const unsigned char fingerprint[CERT_FINGERPRINT_SIZE],
                   struct buffer *ret_der)
{
    char name[NAME_SIZE];
    scoped(close_fd) int folder = file_open_folder(state_fd, folder_name);

    if (folder < 0)
        return folder;
    int r = file_read(folder, name_of(fingerprint, name), CERT_OCSP_MAX, ret_der);
    return r == -ENOENT ? ERR_NOT_FOUND : r;
}

static int write_new(int folder, const char *name, struct span der)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, der.ptr, der.len);
    int r = n == (ssize_t)der.len ? 0 : n < 0 ? -errno : -ENOSPC;

    close_fd(&fd);
    return r;
}

int cert_ocsp_save(int state_fd, const unsigned char fingerprint[CERT_FINGERPRINT_SIZE],
                   struct span der)
{
    char name[NAME_SIZE];
    scoped(close_fd) int folder = file_open_folder(state_fd, folder_name);

    if (folder < 0)
        return folder;
    scoped(mem_release) char *fresh = mem_format(".%s.new", name_of(fingerprint, name));
    int r = write_new(folder, fresh, der);
    if (r == 0 && renameat(folder, fresh, folder, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(folder, fresh, 0);
    return r;
}

void cert_ocsp_forget(int state_fd, const unsigned char fingerprint[CERT_FINGERPRINT_SIZE])
{
    char name[NAME_SIZE];
    scoped(close_fd) int folder = file_open_folder(state_fd, folder_name);

    if (folder >= 0)
        unlinkat(folder, name_of(fingerprint, name), 0);
}

void cert_ocsp_prune(int state_fd, nsec_t now)
{
    int fd = openat(state_fd, folder_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    struct stat st;

    while (dir && (entry = readdir(dir)))
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtim.tv_sec < (now - KEEP) / NSEC_PER_SEC)
            unlinkat(fd, entry->d_name, 0);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}
