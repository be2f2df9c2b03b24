/* What no site may serve, whatever its folder holds: the private keys in use and the state folder.
 * The guardian tells workers their inodes; the prepare process tells people of settings that would
 * show them. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/guarded.h"
#include "app/guardian_state.h"
#include "base/mem.h"

enum { FILES_MAX = 20000, DEPTH_MAX = 6 };

/* ---- inodes ---- */

static void add(struct files_guard *guard, const struct stat *st)
{
    if (guard->count == FILES_MAX)
        return;
    guard->items = mem_resize(guard->items, guard->count + 1, sizeof *guard->items);
    guard->items[guard->count++] = (struct file_number){st->st_dev, st->st_ino};
}

/* Takes the folder over. */
static void add_folder(struct files_guard *guard, int fd, int depth)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;

    if (!dir && fd >= 0)
        close(fd);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISREG(st.st_mode))
            add(guard, &st);
        else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            add_folder(
                guard,
                openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
                depth + 1);
    }
    if (dir)
        closedir(dir);
}

void guarded_find(const struct guardian *g, const struct deployment *deployment,
                  struct files_guard *ret_guard)
{
    struct stat st;

    *ret_guard = (struct files_guard){NULL};
    list_for_each (key, spare, &g->keys, struct key, link)
        add(ret_guard, &key->identity);
    add_folder(ret_guard, openat(g->state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
    if (fstat(g->state_fd, &st) == 0 &&
        folder_lies_in(g->state_fd, deployment->folders.ids, deployment->folders.count))
        ret_guard->state = (struct file_number){st.st_dev, st.st_ino};
}

/* ---- words ---- */

static bool lies_in(const char *path, const char *root)
{
    scoped(mem_release) char *real = realpath(path, NULL);
    scoped(mem_release) char *real_root = realpath(root, NULL);
    struct span inner = span_str(real), outer = span_str(real_root);

    if (!real || !real_root || !span_starts(inner, outer))
        return false;
    return inner.len == outer.len || outer.len == 1 || inner.ptr[outer.len] == '/';
}

static void warn(const struct settings_loaded *loaded, const struct settings_folder *folder,
                 const char *what, const char *path, struct diags *diags)
{
    char at[64];

    if (folder->route < 0)
        snprintf(at, sizeof at, "sites[%zu].files", folder->site);
    else
        snprintf(at, sizeof at, "sites[%zu].routes[%d].files", folder->site, folder->route);
    diag_hint(diags_warning(diags, config_complain(loaded->tree, diags, at,
                                                   "%s %s lies in the served folder %s: visitors "
                                                   "do not get it",
                                                   what, path, folder->files->root)),
              "move it out of there");
}

/* Only keys of the folder's own site are looked for: all are refused, but nobody wants to read of
 * each of a thousand keys in each of a thousand folders. */
void guarded_warn(const struct settings_loaded *loaded, const char *state, struct diags *diags)
{
    size_t count;
    scoped(mem_release) struct settings_folder *folders =
        settings_folders(loaded->settings, &count);

    for (size_t i = 0; i < count; i++) {
        const char *root = folders[i].files->root;
        const struct config_list *certificates =
            &settings_sites(loaded->settings)[folders[i].site].certificate;
        if (state && lies_in(state, root))
            warn(loaded, &folders[i], "the state folder", state, diags);
        for (size_t c = 0; c < certificates->count; c++) {
            const struct settings_certificate *certificate =
                &((const struct settings_certificate *)certificates->items)[c];
            const char *key = certificate->key ? certificate->key : certificate->file;
            if (key && lies_in(key, root))
                warn(loaded, &folders[i], "the private key", key, diags);
        }
    }
}
