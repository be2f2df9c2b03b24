/* From a resolved path to an open file: hidden names, index files, folders, neighbours. What is
 * then sent of it is for others. */
#include <errno.h>
#include <fcntl.h>

#include "serve/files/internal.h"

static const struct span neighbour_suffix[HTTP_CODINGS] = {
    [HTTP_CODING_IDENTITY] = SPAN(""),
    [HTTP_CODING_GZIP] = SPAN(".gz"),
    [HTTP_CODING_BR] = SPAN(".br"),
    [HTTP_CODING_ZSTD] = SPAN(".zst"),
};

/* Whether a segment begins with a dot; /.well-known/ alone is public (RFC 8615). */
static bool is_hidden(struct span path)
{
    struct span well_known = SPAN("/.well-known/");
    size_t i = span_starts(path, well_known) ? well_known.len - 1 : 0;

    for (; i + 1 < path.len; i++)
        if (path.ptr[i] == '/' && path.ptr[i + 1] == '.')
            return true;
    return false;
}

/* @return 0, or ERR_NOT_FOUND with the file closed: for a visitor it is not there */
static int guard(const struct files *files, const struct file_path *name, struct opened_file *file,
                 const char **ret_reason)
{
    const struct files_guard *guard = &files->guard;
    const char *reason = NULL;

    if (files_guard_has(guard, &file->identity))
        reason = "a private key or a file of the state folder";
    else if (file->kind == FILE_REGULAR && !files->settings->private_keys &&
             file_begins_as_key(file->fd, file->identity.size))
        reason = "it begins as a private key";
    else if (guard->state.inode && file_is_beneath(files->root_fd, name, &guard->state))
        reason = "it is in the state folder";
    if (!reason)
        return 0;
    opened_file_close(file);
    *ret_reason = reason;
    return ERR_NOT_FOUND;
}

static int open_plain(const struct files *files, const struct file_path *name,
                      struct opened_file *ret_file, const char **ret_reason)
{
    bool left = false;
    int r = file_open(files->root_fd, name, O_RDONLY, ret_file, &left);

    if (left)
        *ret_reason = "a symbolic link leads out of the root";
    if (r == -EACCES) { /* a folder need not be readable to have a slash added */
        struct opened_file peek;
        if (file_open(files->root_fd, name, O_PATH, &peek, NULL) == 0) {
            opened_file_close(&peek);
            if (peek.kind == FILE_DIRECTORY)
                return LOCATED_SLASH_MISSING;
        }
    }
    if (r < 0)
        return r;
    if (ret_file->kind == FILE_REGULAR) {
        r = guard(files, name, ret_file, ret_reason);
        return r < 0 ? r : LOCATED_FILE;
    }
    opened_file_close(ret_file);
    if (ret_file->kind == FILE_DIRECTORY)
        return LOCATED_SLASH_MISSING;
    *ret_reason = "neither a file nor a folder";
    return -ENOENT;
}

/* @return LOCATED_FILE, or -errno: -ENOENT when the next index name is to be tried */
static int open_index(const struct files *files, const struct file_path *name,
                      struct opened_file *ret_file, const char **ret_reason)
{
    int r = file_open(files->root_fd, name, O_RDONLY, ret_file, NULL);

    if (r < 0)
        return r;
    if (ret_file->kind == FILE_REGULAR) {
        r = guard(files, name, ret_file, ret_reason);
        return r < 0 ? r : LOCATED_FILE;
    }
    opened_file_close(ret_file);
    return -ENOENT;
}

static int open_folder(const struct files *files, struct file_path *name,
                       struct opened_file *ret_file, const char **ret_reason)
{
    const struct config_strings *index = &files->settings->index;
    bool top = name->len == 1 && name->text[0] == '.', left = false;
    size_t base = top ? 0 : name->len;

    for (size_t i = 0; i < index->count; i++) {
        name->len = base;
        int r = file_path_append(name, span_str(index->items[i]));
        if (r == 0)
            r = open_index(files, name, ret_file, ret_reason);
        if (r != -ENOENT && r != -ENAMETOOLONG)
            return r;
    }
    name->len = base;
    name->text[base] = '\0';
    if (top && file_path_append(name, SPAN(".")) < 0)
        return -ENOENT;
    int r = file_open(files->root_fd, name, O_RDONLY | O_DIRECTORY, ret_file, &left);
    if (left)
        *ret_reason = "a symbolic link leads out of the root";
    if (r < 0)
        return r;
    r = guard(files, name, ret_file, ret_reason);
    return r < 0 ? r : LOCATED_FOLDER;
}

int files_locate(const struct files *files, struct span path, struct file_path *ret_name,
                 struct opened_file *ret_file, const char **ret_reason)
{
    if (!files->settings->dot_files && is_hidden(path))
        return ERR_NOT_FOUND;
    if (file_path_set(ret_name, path) < 0)
        return -ENOENT;
    if (path.ptr[path.len - 1] == '/')
        return open_folder(files, ret_name, ret_file, ret_reason);
    return open_plain(files, ret_name, ret_file, ret_reason);
}

int files_open_neighbour(const struct files *files, const struct file_path *name,
                         const struct file_identity *identity, enum http_coding coding,
                         struct opened_file *ret_file)
{
    struct file_path neighbour;
    struct opened_file file;

    memcpy(neighbour.text, name->text, name->len + 1);
    neighbour.len = name->len;
    int r = file_path_append(&neighbour, neighbour_suffix[coding]);
    if (r == 0)
        r = file_open(files->root_fd, &neighbour, O_RDONLY, &file, NULL);
    if (r < 0)
        return r;
    if (file.kind != FILE_REGULAR || file.identity.size == 0 ||
        file.identity.modified < identity->modified) {
        opened_file_close(&file);
        return -ENOENT;
    }
    const char *reason;
    if (guard(files, &neighbour, &file, &reason) < 0)
        return -ENOENT;
    *ret_file = file;
    return 0;
}
