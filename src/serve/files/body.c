/* Bodies out of memory and out of files. A body never says more bytes than were promised, and one
 * that cannot keep the promise fails, so that the answer is cut off. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "serve/files/internal.h"

enum { READAHEAD_FROM = 1024 * 1024 };

void file_source_close(struct file_source *source)
{
    if (!source->file && source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

ssize_t file_source_read(const struct file_source *source, int64_t at, char *out, size_t cap)
{
    ssize_t got;

    if (source->file) {
        memcpy(out, source->bytes + at, cap);
        return (ssize_t)cap;
    }
    do
        got = pread(source->fd, out, cap, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? -EIO : -errno;
    return got ? got : ERR_CHANGED; /* shorter than it was when its length was sent */
}

/* --- memory ----------------------------------------------------------------------------------- */

struct memory_body {
    struct http_body base;
    struct files *files;
    struct cached_file *file;
    const char *at;
    size_t left;
};

static ssize_t memory_read(struct http_body *body, char *out, size_t cap)
{
    struct memory_body *b = container_of(body, struct memory_body, base);
    size_t count = b->left < cap ? b->left : cap;

    memcpy(out, b->at, count);
    b->at += count;
    b->left -= count;
    return (ssize_t)count;
}

static void memory_close(struct http_body *body)
{
    struct memory_body *b = container_of(body, struct memory_body, base);

    cached_file_unref(&b->files->cache, b->file);
    files_unref(b->files);
}

struct http_body *files_body_memory(const struct files_request *q, struct cached_file *file,
                                    const char *bytes, size_t len)
{
    struct memory_body *b = arena_alloc(&q->x->arena, sizeof *b);

    if (!b)
        return NULL;
    *b = (struct memory_body){
        {memory_read, memory_close, NULL}, q->files, cached_file_ref(file), bytes, len};
    q->files->refs++;
    return &b->base;
}

/* --- parts -------------------------------------------------------------------------------------
 */

struct parts_body {
    struct http_body base;
    struct files *files;
    struct file_source source;
    struct file_part *part;
    struct file_part *end;
};

/* Some of the part at hand. @return bytes, 0 when it is through, or negative */
static ssize_t read_part(struct parts_body *b, char *out, size_t cap)
{
    struct file_part *part = b->part;

    if (part->head.len) {
        size_t count = part->head.len < cap ? part->head.len : cap;
        memcpy(out, part->head.ptr, count);
        part->head = span_from(part->head, count);
        return (ssize_t)count;
    }
    if (!part->left)
        return 0;
    if ((uint64_t)part->left < cap)
        cap = (size_t)part->left;
    ssize_t got = file_source_read(&b->source, part->at, out, cap);
    if (got > 0) {
        part->at += got;
        part->left -= got;
    }
    return got;
}

static ssize_t parts_read(struct http_body *body, char *out, size_t cap)
{
    struct parts_body *b = container_of(body, struct parts_body, base);
    size_t len = 0;

    while (len < cap && b->part < b->end) {
        ssize_t got = read_part(b, out + len, cap - len);
        if (got < 0) /* what was read goes out first; the same error comes again */
            return len ? (ssize_t)len : got;
        len += (size_t)got;
        if (!b->part->head.len && !b->part->left)
            b->part++;
    }
    return (ssize_t)len;
}

static void parts_close(struct http_body *body)
{
    struct parts_body *b = container_of(body, struct parts_body, base);

    if (b->source.file)
        cached_file_unref(&b->files->cache, b->source.file);
    file_source_close(&b->source);
    files_unref(b->files);
}

struct http_body *files_body_parts(const struct files_request *q, const struct file_source *source,
                                   struct file_part *parts, unsigned count)
{
    struct parts_body *b = arena_alloc(&q->x->arena, sizeof *b);
    struct file_source ours = *source;

    if (!b || !parts) {
        file_source_close(&ours);
        return NULL;
    }
    *b = (struct parts_body){{parts_read, parts_close, NULL}, q->files, ours, parts, parts + count};
    if (ours.file)
        cached_file_ref(ours.file);
    else
        http_charge(q->x, 0, 1);
    if (!ours.file && parts[0].left >= READAHEAD_FROM)
        (void)posix_fadvise(ours.fd, parts[0].at, 0, POSIX_FADV_SEQUENTIAL); /* only a hint */
    q->files->refs++;
    return &b->base;
}
