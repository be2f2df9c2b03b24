/* Reads a folder, within bounds, and answers with its listing. What it looks like is
 * listing_render.c's. */
#include "serve/files/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "serve/files/internal.h"

enum {
    NAMES_MAX = 4 * 1024 * 1024,        /* bytes of names of one listing */
    ALL_LISTINGS_MAX = 32 * 1024 * 1024 /* of listings that are being sent */
};

/* A symbolic link is shown as what it leads to, if that lies beneath the root. */
static bool look_through_link(const struct files_request *q, struct span folder, const char *name,
                              struct listing_entry *entry)
{
    struct file_path path;
    struct opened_file target;

    if (file_path_set(&path, folder) < 0 || file_path_append(&path, SPAN("/")) < 0 ||
        file_path_append(&path, span_str(name)) < 0 ||
        file_open(q->files->root_fd, &path, O_PATH, &target, NULL) < 0)
        return false;
    opened_file_close(&target);
    entry->folder = target.kind == FILE_DIRECTORY;
    entry->size = target.identity.size;
    entry->modified = target.identity.modified;
    return target.kind != FILE_OTHER;
}

/* Dot files, and names that no request may have (http_path_resolve()). */
static bool is_hidden(const struct files_request *q, const char *name)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return true;
    return name[0] == '.' && !q->files->settings->dot_files;
}

/* @return false for what is not to be shown */
static bool look_at(const struct files_request *q, struct span folder, int fd, const char *name,
                    struct listing_entry *entry)
{
    struct stat st;

    if (is_hidden(q, name) || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (S_ISLNK(st.st_mode))
        return look_through_link(q, folder, name, entry);
    entry->folder = S_ISDIR(st.st_mode);
    entry->size = st.st_size;
    entry->modified = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
    return entry->folder || S_ISREG(st.st_mode);
}

static void read_folder(const struct files_request *q, struct span path, DIR *dir,
                        struct arena *names, struct listing *listing)
{
    size_t room = 0;

    for (struct dirent *item; (item = readdir(dir));) {
        struct listing_entry entry = {{NULL, 0}, false, 0, 0};
        if (!look_at(q, path, dirfd(dir), item->d_name, &entry))
            continue;
        char *name = arena_copy(names, span_str(item->d_name));
        if (!name || listing->count == LISTING_ENTRIES_MAX) {
            listing->cut = true;
            return;
        }
        if (listing->count == room) {
            room = room ? room * 2 : 64;
            listing->entries = mem_resize(listing->entries, room, sizeof *listing->entries);
        }
        entry.name = span_str(name);
        listing->entries[listing->count++] = entry;
    }
}

/* @return 0, ERR_LIMIT, or -errno; the folder is closed */
static int make_listing(const struct files_request *q, struct span path, struct opened_file *folder,
                        bool json, struct buffer *out)
{
    struct listing listing = {.path = q->r->path};
    struct arena names;
    char first[1024];
    DIR *dir = fdopendir(folder->fd);

    if (!dir) {
        opened_file_close(folder);
        return -ENOMEM;
    }
    arena_init(&names, first, sizeof first, NAMES_MAX);
    read_folder(q, path, dir, &names, &listing);
    closedir(dir);
    listing_sort(&listing);
    int r = json ? listing_render_json(&listing, out) : listing_render_html(&listing, out);
    free(listing.entries);
    arena_reset(&names, first, sizeof first);
    return r;
}

static bool wants_json(const struct files_request *q)
{
    return http_accept_q(&q->asks, SPAN("application/json"), NULL) >
           http_accept_q(&q->asks, SPAN("text/html"), NULL);
}

void files_answer_listing(const struct files_request *q, struct span path,
                          struct opened_file *folder)
{
    struct buffer page = buffer_make(LISTING_BYTES_MAX);
    bool json = wants_json(q), head = q->x->request.method == HTTP_HEAD;
    struct files_reply reply;

    if (q->files->listing_bytes > ALL_LISTINGS_MAX) {
        opened_file_close(folder);
        files_fail_errno(q, -EAGAIN, NULL);
        return;
    }
    int r = make_listing(q, path, folder, json, &page);
    if (r < 0) {
        buffer_finish(&page);
        files_fail_errno(q, r == ERR_LIMIT ? -EIO : r, NULL);
        return;
    }
    files_reply_begin(q, &reply, 200);
    files_reply_add(&reply, SPAN("content-type"),
                    json ? SPAN("application/json") : SPAN("text/html; charset=utf-8"));
    files_reply_add(&reply, SPAN("vary"), SPAN("accept"));
    files_reply_add(&reply, SPAN("content-security-policy"),
                    SPAN("default-src 'none'; style-src 'unsafe-inline'"));
    reply.response.content_length = (int64_t)page.len;
    if (head)
        buffer_finish(&page);
    else
        reply.body = files_body_owned(q, buffer_span(&page));
    files_reply_send(q, &reply, !head && !reply.body);
}
