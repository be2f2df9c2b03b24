/* The files of rules and their data as one set. */
#include "protect/waf/files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

enum { FILE_MAX = 16 << 20, SETS_MAX = 4096 };

/** A file, or the paths that a pattern matches. */
struct entry {
    bool pattern;
    char *name;
    struct buffer bytes;
};

struct waf_files {
    bool disk;
    struct entry *items;
    size_t count;
};

struct waf_files *waf_files_create(bool disk)
{
    struct waf_files *files = mem_new(struct waf_files);

    files->disk = disk;
    return files;
}

void waf_files_destroy(struct waf_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].name);
        buffer_finish(&files->items[i].bytes);
    }
    free(files->items);
    free(files);
}

static struct entry *find(const struct waf_files *files, bool pattern, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i].pattern == pattern && strcmp(files->items[i].name, name) == 0)
            return &files->items[i];
    return NULL;
}

static struct entry *add(struct waf_files *files, bool pattern, struct span name,
                         struct buffer bytes)
{
    files->items = mem_resize(files->items, files->count + 1, sizeof *files->items);
    files->items[files->count] = (struct entry){pattern, mem_string(name), bytes};
    return &files->items[files->count++];
}

static int read_file(const char *path, struct buffer *ret_bytes)
{
    struct buffer bytes = buffer_make(FILE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int r = fd < 0 ? -errno : 0;

    while (r == 0) {
        r = buffer_reserve(&bytes, 65536);
        ssize_t n = r < 0 ? 0 : read(fd, bytes.data + bytes.len, 65536);
        if (n < 0)
            r = -errno;
        if (n <= 0)
            break;
        bytes.len += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    if (r < 0)
        buffer_finish(&bytes);
    else
        *ret_bytes = bytes;
    return r;
}

int waf_files_read(struct waf_files *files, const char *path, struct span *ret_bytes)
{
    struct entry *entry = find(files, false, path);
    struct buffer bytes;

    if (!entry && !files->disk)
        return -ENOENT;
    if (!entry) {
        int r = read_file(path, &bytes);
        if (r < 0)
            return r;
        entry = add(files, false, span_str(path), bytes);
    }
    *ret_bytes = buffer_span(&entry->bytes);
    return 0;
}

static int match_on_disk(const char *pattern, struct buffer *ret_paths)
{
    struct buffer paths = buffer_make(FILE_MAX);
    glob_t found;

    int r = glob(pattern, 0, NULL, &found);
    if (r != 0)
        return r == GLOB_NOMATCH ? ERR_NOT_FOUND : -EIO;
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
        r = buffer_printf(&paths, "%s\n", found.gl_pathv[i]);
    globfree(&found);
    if (r < 0)
        buffer_finish(&paths);
    else
        *ret_paths = paths;
    return r;
}

int waf_files_match(struct waf_files *files, const char *pattern, struct span *ret_paths)
{
    struct entry *entry = find(files, true, pattern);
    struct buffer paths;

    if (!entry && !files->disk)
        return ERR_NOT_FOUND;
    if (!entry) {
        int r = match_on_disk(pattern, &paths);
        if (r < 0)
            return r;
        entry = add(files, true, span_str(pattern), paths);
    }
    *ret_paths = buffer_span(&entry->bytes);
    return 0;
}

/* ---- as bytes: kind, two lengths in decimal, a line end, name, content ---- */

int waf_files_pack(const struct waf_files *files, struct buffer *out)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < files->count; i++) {
        const struct entry *entry = &files->items[i];
        r = buffer_printf(out, "%c %zu %zu\n", entry->pattern ? 'p' : 'f', strlen(entry->name),
                          entry->bytes.len);
        if (r == 0)
            r = buffer_add(out, span_str(entry->name));
        if (r == 0)
            r = buffer_add(out, buffer_span(&entry->bytes));
    }
    return r;
}

/** One entry off the front. @return whether it is one */
static bool unpack_entry(struct span *rest, struct waf_files *files)
{
    struct span line, kind, first;
    uint64_t name, content;

    if (!span_next(rest, '\n', &line) || !span_next(&line, ' ', &kind) ||
        !span_next(&line, ' ', &first) || kind.len != 1 || span_to_uint(first, &name) < 0 ||
        span_to_uint(line, &content) < 0)
        return false;
    if (name == 0 || name > 4096 || content > FILE_MAX || name + content > rest->len)
        return false;
    struct buffer bytes = buffer_make(FILE_MAX);
    if (buffer_append(&bytes, rest->ptr + name, content) < 0)
        return false;
    add(files, kind.ptr[0] == 'p', span_of(rest->ptr, name), bytes);
    *rest = span_from(*rest, name + content);
    return files->count <= SETS_MAX;
}

int waf_files_unpack(struct span bytes, struct waf_files **ret_files)
{
    struct waf_files *files = waf_files_create(false);

    while (bytes.len)
        if (!unpack_entry(&bytes, files)) {
            waf_files_destroy(files);
            return ERR_SYNTAX;
        }
    *ret_files = files;
    return 0;
}
