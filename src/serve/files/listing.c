/* Reads a folder, within bounds, and answers with its listing, which is kept for a moment: a
 * listing of many files costs milliseconds. */
#include "serve/files/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "serve/files/internal.h"

enum {
    NAMES_MAX = 4 * 1024 * 1024,         /* bytes of names of one listing */
    ALL_LISTINGS_MAX = 32 * 1024 * 1024, /* of listings of one folder's tree in memory */
    KEPT_MAX = 16,                       /* listings that are kept */
};
/* Sizes and dates in a listing may be so old; names are those of the folder as it is. */
#define LISTING_STALENESS NSEC_PER_SEC

/* A listing as it was sent. One reference is the list's, another that of each body. */
struct kept_listing {
    struct list link; /* in files->listings, or alone */
    unsigned refs;
    struct file_identity identity; /* of the folder */
    nsec_t fresh_until;
    bool json;
    struct buffer page;
    size_t path_len;
    char path[]; /* as it is shown */
};

/* Names that keys have: only such files are opened to see whether they begin as one. */
static bool is_key_name(struct span name)
{
    static const struct span ends[] = {SPAN(".pem"), SPAN(".key"), SPAN(".der"),
                                       SPAN(".p8"),  SPAN(".pk8"), SPAN(".ppk")};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (span_ends(name, ends[i]))
            return true;
    return span_starts(name, SPAN("id_"));
}

/* What a request for it would not get (guard()) is not named. */
static bool is_refused(const struct files_request *q, struct span folder, const char *name,
                       const struct listing_entry *entry, struct file_number number)
{
    const struct files *files = q->files;
    const struct file_identity identity = {.device = number.device, .inode = number.inode};
    struct file_path path;
    struct opened_file file;

    if (files_guard_has(&files->guard, &identity) ||
        (number.device == files->guard.state.device && number.inode == files->guard.state.inode))
        return true;
    if (entry->folder || files->settings->private_keys || !is_key_name(span_str(name)) ||
        file_path_set(&path, folder) < 0 || file_path_append(&path, SPAN("/")) < 0 ||
        file_path_append(&path, span_str(name)) < 0 ||
        file_open(files->root_fd, &path, O_RDONLY, &file, NULL) < 0)
        return false;
    bool refused = file_begins_as_key(file.fd, file.identity.size);
    opened_file_close(&file);
    return refused;
}

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
    const struct file_number number = {target.identity.device, target.identity.inode};
    return target.kind != FILE_OTHER && !is_refused(q, folder, name, entry, number);
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
    const struct file_number number = {st.st_dev, st.st_ino};
    return (entry->folder || S_ISREG(st.st_mode)) && !is_refused(q, folder, name, entry, number);
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

/* "share" of /home/ada/share/ */
static struct span root_name(const struct files *files)
{
    struct span root = files->settings->root ? span_str(files->settings->root) : SPAN("/");

    while (root.len > 1 && root.ptr[root.len - 1] == '/')
        root.len--;
    struct span name = span_from(root, (size_t)(span_find_last(root, '/') + 1));
    return name.len ? name : SPAN("/");
}

/* @return 0, ERR_LIMIT, or -errno; the folder is closed */
static int make_listing(const struct files_request *q, struct span path, struct opened_file *folder,
                        bool json, struct buffer *out)
{
    struct listing listing = {.path = q->r->path, .root = root_name(q->files)};
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

/* ---- kept listings ---- */

static void unref_listing(struct files *files, struct kept_listing *kept)
{
    if (--kept->refs > 0)
        return;
    files->listing_bytes -= kept->page.len;
    buffer_finish(&kept->page);
    free(kept);
}

static void forget(struct files *files, struct kept_listing *kept)
{
    list_remove(&kept->link);
    unref_listing(files, kept);
}

void files_forget_listings(struct files *files)
{
    list_for_each (kept, next, &files->listings, struct kept_listing, link)
        forget(files, kept);
}

/* @return the listing of that folder as it is now, or NULL */
static struct kept_listing *find_kept(const struct files_request *q,
                                      const struct opened_file *folder, bool json)
{
    list_for_each (kept, next, &q->files->listings, struct kept_listing, link) {
        if (kept->json != json || !span_equal(span_of(kept->path, kept->path_len), q->r->path))
            continue;
        if (q->now < kept->fresh_until && file_identity_equal(&kept->identity, &folder->identity))
            return kept;
        forget(q->files, kept);
    }
    return NULL;
}

/* Makes the listing and keeps it. The folder is closed. @return 0, or a negative error */
static int make_kept(const struct files_request *q, struct span path, struct opened_file *folder,
                     bool json, struct kept_listing **ret_kept)
{
    struct files *files = q->files;
    struct buffer page = buffer_make(LISTING_BYTES_MAX);
    struct file_identity identity = folder->identity;
    unsigned count = 0;

    list_for_each (kept, next, &files->listings, struct kept_listing, link)
        count++;
    if (count == KEPT_MAX)
        forget(files, list_first(&files->listings, struct kept_listing, link));
    if (files->listing_bytes > ALL_LISTINGS_MAX)
        files_forget_listings(files);
    if (files->listing_bytes > ALL_LISTINGS_MAX) {
        opened_file_close(folder);
        return -EAGAIN;
    }
    int r = make_listing(q, path, folder, json, &page);
    if (r < 0) {
        buffer_finish(&page);
        return r == ERR_LIMIT ? -EIO : r;
    }
    struct span shown = q->r->path;
    struct kept_listing *kept = mem_alloc(sizeof *kept + shown.len);
    *kept = (struct kept_listing){.refs = 1,
                                  .identity = identity,
                                  .fresh_until = q->now + LISTING_STALENESS,
                                  .json = json,
                                  .page = page,
                                  .path_len = shown.len};
    memcpy(kept->path, shown.ptr, shown.len);
    list_append(&files->listings, &kept->link);
    files->listing_bytes += page.len;
    *ret_kept = kept;
    return 0;
}

/* ---- the answer ---- */

struct listing_body {
    struct http_body base;
    struct files *files;
    struct kept_listing *kept;
    size_t at;
};

static ssize_t listing_read(struct http_body *body, char *out, size_t cap)
{
    struct listing_body *b = container_of(body, struct listing_body, base);
    struct span rest = span_from(buffer_span(&b->kept->page), b->at);
    size_t count = rest.len < cap ? rest.len : cap;

    memcpy(out, rest.ptr, count);
    b->at += count;
    return (ssize_t)count;
}

static void listing_close(struct http_body *body)
{
    struct listing_body *b = container_of(body, struct listing_body, base);

    unref_listing(b->files, b->kept);
    files_unref(b->files);
}

static struct http_body *listing_body(const struct files_request *q, struct kept_listing *kept)
{
    struct listing_body *b = arena_alloc(&q->x->arena, sizeof *b);

    if (!b)
        return NULL;
    *b = (struct listing_body){{listing_read, listing_close, NULL}, q->files, kept, 0};
    kept->refs++;
    q->files->refs++;
    return &b->base;
}

/* @param kept  NULL for HEAD of a listing that is not at hand: its length is not worth making it */
static void send_listing(const struct files_request *q, struct kept_listing *kept, bool json)
{
    bool head = q->x->request.method == HTTP_HEAD;
    struct files_reply reply;

    files_reply_begin(q, &reply, 200);
    files_reply_add(&reply, SPAN("content-type"),
                    json ? SPAN("application/json") : SPAN("text/html; charset=utf-8"));
    files_reply_add(&reply, SPAN("vary"), SPAN("accept"));
    files_reply_add(&reply, SPAN("content-security-policy"),
                    SPAN("default-src 'none'; style-src 'unsafe-inline'"));
    reply.response.content_length = kept ? (int64_t)kept->page.len : -1;
    if (!head)
        reply.body = listing_body(q, kept);
    q->r->coding_settled = false;
    files_reply_send(q, &reply, !head && !reply.body);
}

void files_answer_listing(const struct files_request *q, struct span path,
                          struct opened_file *folder)
{
    bool json = wants_json(q);
    struct kept_listing *kept = find_kept(q, folder, json);

    if (kept || q->x->request.method == HTTP_HEAD) {
        opened_file_close(folder);
        send_listing(q, kept, json);
        return;
    }
    int r = make_kept(q, path, folder, json, &kept);
    if (r < 0)
        files_fail_errno(q, r, NULL);
    else
        send_listing(q, kept, json);
}
