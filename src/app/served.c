/* Opens the folders of the settings. What may be read beneath them is the sandbox's, what is never
 * sent guarded.c's. */
#include "app/served.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/settings.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/filesystem.h"
#include "os/process.h"

/* Takes over an open folder, or -1 with errno. @return 0, or -errno */
static int add(struct served_folders *folders, int fd)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    folders->fds[folders->count] = fd;
    folders->ids[folders->count] = (struct folder){st.st_dev, st.st_ino};
    folders->unwatched[folders->count++] = filesystem_may_hang(fd);
    return 0;
}

static struct served_folders with_room(size_t count)
{
    return (struct served_folders){.fds = mem_zalloc((count + 1) * sizeof(int)),
                                   .ids = mem_zalloc((count + 1) * sizeof(struct folder)),
                                   .unwatched = mem_zalloc((count + 1) * sizeof(bool))};
}

static int open_folder(const char *path)
{
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int served_folders_open(const struct settings *settings, struct diags *diags,
                        struct served_folders *ret_folders)
{
    size_t count;
    scoped(mem_release) struct settings_folder *wanted = settings_folders(settings, &count);
    int r = 0;

    *ret_folders = with_room(count);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        const char *root = wanted[i].files->root;
        r = add(ret_folders, open_folder(root));
        if (r < 0)
            (void)process_hint_descriptors(
                diags_add(diags, "the folder %s of %s cannot be opened: %s", root,
                          settings_sites(settings)[wanted[i].site].names.items[0], error_text(r)),
                r);
    }
    return r;
}

int served_folders_renew(const struct settings *settings, const struct served_folders *old,
                         struct served_folders *ret_folders)
{
    size_t count;
    scoped(mem_release) struct settings_folder *wanted = settings_folders(settings, &count);
    int r = 0;

    *ret_folders = with_room(old->count);
    for (size_t i = 0; r >= 0 && i < old->count; i++) {
        r = add(ret_folders, open_folder(wanted[i].files->root));
        if (r < 0)
            r = add(ret_folders, fcntl(old->fds[i], F_DUPFD_CLOEXEC, 3));
    }
    return r;
}

void served_folders_finish(struct served_folders *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        close(folders->fds[i]);
    free(folders->fds);
    free(folders->ids);
    free(folders->unwatched);
    *folders = (struct served_folders){NULL};
}

static bool is_among(const struct stat *st, const struct folder *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i].dev == st->st_dev && ids[i].ino == st->st_ino)
            return true;
    return false;
}

bool folder_lies_in(int folder, const struct folder *ids, size_t count)
{
    struct stat st, before = {0};
    int fd = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool found = false;

    while (fd >= 0 && fstat(fd, &st) == 0) {
        found = is_among(&st, ids, count);
        if (found || (st.st_ino == before.st_ino && st.st_dev == before.st_dev))
            break;
        before = st;
        int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = up;
    }
    if (fd >= 0)
        close(fd);
    return found;
}
