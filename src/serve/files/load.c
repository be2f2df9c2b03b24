/* Reading files into the cache, and asking whether they still are the same. Finding and evicting
 * them is cache.c's. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "serve/files/internal.h"

/* The kernel stamps times by its tick: two changes within one have the same identity. A tick is at
 * most 10 ms. */
#define RACY_TIME (50 * NSEC_PER_MSEC)

unsigned files_compressible(const struct files *files, const struct media_type *type, int64_t size)
{
    const struct compress_settings *s = &files->settings->compress;

    return type->compressible && size >= s->min_size && size <= s->max_size ? files->codings : 0;
}

static bool read_exactly(int fd, char *out, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = pread(fd, out + at, size - at, (off_t)at);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* All bytes of an open file that stayed the same meanwhile; NULL otherwise. */
static char *read_whole(const struct opened_file *file)
{
    size_t size = (size_t)file->identity.size;
    struct file_identity after;
    enum file_kind kind;
    char *bytes = malloc(size ? size : 1);

    if (bytes && read_exactly(file->fd, bytes, size) &&
        file_identify(file->fd, &after, &kind) == 0 && file_identity_equal(&after, &file->identity))
        return bytes;
    free(bytes);
    return NULL;
}

static bool is_racy(const struct file_identity *identity, nsec_t wall)
{
    return wall - identity->changed < RACY_TIME;
}

static bool wants_neighbours(const struct files *files, const struct media_type *type)
{
    return files->settings->precompressed && type->compressible;
}

static int open_cacheable_neighbour(const struct files *files, const struct file_path *name,
                                    const struct file_identity *identity, enum http_coding coding,
                                    struct opened_file *ret_file)
{
    int r = files_open_neighbour(files, name, identity, coding, ret_file);

    if (r == 0 && ret_file->identity.size > files->settings->cache.max_file_size) {
        opened_file_close(ret_file);
        return -EFBIG;
    }
    return r;
}

/* @return false when the file as a whole must not be cached */
static bool load_neighbour(const struct files_request *q, struct cached_file *file,
                           const struct file_path *name, enum http_coding coding)
{
    struct opened_file neighbour;
    struct cached_variant *variant = &file->variants[coding];

    if (open_cacheable_neighbour(q->files, name, &file->identity, coding, &neighbour) < 0)
        return true;
    variant->neighbour = neighbour.identity;
    variant->size = (size_t)neighbour.identity.size;
    if (file_cache_grow(&q->files->cache, file, variant->size))
        variant->bytes = read_whole(&neighbour);
    opened_file_close(&neighbour);
    file->precompressed |= (uint8_t)(1u << coding);
    file->racy |= is_racy(&neighbour.identity, q->wall);
    return variant->bytes != NULL;
}

static bool load_variants(const struct files_request *q, struct cached_file *file,
                          const struct file_path *name, const struct opened_file *opened)
{
    struct cached_variant *plain = &file->variants[HTTP_CODING_IDENTITY];

    plain->size = (size_t)opened->identity.size;
    plain->bytes = read_whole(opened);
    if (!plain->bytes)
        return false;
    file->content_type = media_type_for(file->type, span_of(plain->bytes, plain->size), true);
    for (int coding = HTTP_CODING_GZIP;
         wants_neighbours(q->files, file->type) && coding < HTTP_CODINGS; coding++)
        if (!load_neighbour(q, file, name, (enum http_coding)coding))
            return false;
    file->offered = (uint8_t)(1u << HTTP_CODING_IDENTITY | file->precompressed |
                              files_compressible(q->files, file->type, opened->identity.size));
    for (int coding = 0; coding < HTTP_CODINGS; coding++) {
        struct cached_variant *variant = &file->variants[coding];
        const struct file_identity *of =
            file->precompressed & 1u << coding ? &variant->neighbour : &file->identity;
        file_tags_make(of, (enum http_coding)coding, q->wall, &variant->tags);
        /* A neighbour's date says when it was packed; the file's is what was published. */
        memcpy(variant->tags.last_modified, plain->tags.last_modified,
               sizeof plain->tags.last_modified);
        variant->tags.modified = plain->tags.modified;
    }
    return true;
}

struct span files_content_type(const struct media_type *type, const struct opened_file *file)
{
    char beginning[4096];
    ssize_t len = 0;

    if (media_type_has_charset(type))
        len = pread(file->fd, beginning, sizeof beginning, 0);
    return media_type_for(type, span_of(beginning, len > 0 ? (size_t)len : 0),
                          len < (ssize_t)sizeof beginning);
}

struct cached_file *files_load(const struct files_request *q, struct span key,
                               const struct file_path *name, const struct opened_file *opened)
{
    struct files *files = q->files;
    const struct files_cache_settings *settings = &files->settings->cache;

    if (!settings->max_file_size || opened->identity.size > settings->max_file_size)
        return NULL;
    struct cached_file *file = file_cache_new(&files->cache, key, (size_t)opened->identity.size);
    if (!file)
        return NULL;
    file->identity = opened->identity;
    file->type = media_types_find(files->types, span_of(name->text, name->len));
    file->racy = is_racy(&opened->identity, q->wall);
    file->fresh_until = q->now + settings->staleness;
    if (!load_variants(q, file, name, opened)) {
        cached_file_unref(&files->cache, file);
        return NULL;
    }
    file_cache_put(&files->cache, file);
    return file;
}

static bool neighbours_unchanged(const struct files *files, const struct cached_file *file,
                                 const struct file_path *name)
{
    if (!wants_neighbours(files, file->type))
        return true;
    for (int coding = HTTP_CODING_GZIP; coding < HTTP_CODINGS; coding++) {
        struct opened_file neighbour = {.fd = -1};
        bool was = file->precompressed & 1u << coding;
        bool is = open_cacheable_neighbour(files, name, &file->identity, (enum http_coding)coding,
                                           &neighbour) == 0;
        if (is)
            opened_file_close(&neighbour);
        if (is != was ||
            (is && !file_identity_equal(&neighbour.identity, &file->variants[coding].neighbour)))
            return false;
    }
    return true;
}

static bool is_unchanged(const struct files *files, const struct cached_file *file)
{
    struct file_path name;
    struct opened_file now_there;
    const char *reason = NULL;

    if (file->racy)
        return false;
    int r = files_locate(files, span_of(file->key, file->key_len), &name, &now_there, &reason);
    if (r < 0 || r == LOCATED_SLASH_MISSING)
        return false;
    opened_file_close(&now_there);
    return r == LOCATED_FILE && file_identity_equal(&now_there.identity, &file->identity) &&
           neighbours_unchanged(files, file, &name);
}

bool files_revalidate(const struct files_request *q, struct cached_file *file)
{
    if (is_unchanged(q->files, file)) {
        file->fresh_until = q->now + q->files->settings->cache.staleness;
        return true;
    }
    file_cache_drop(&q->files->cache, file);
    return false;
}
