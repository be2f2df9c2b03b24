/* Compression of answers: at once and kept for cached files, on the way and bounded for others. The
 * compressors themselves are compress.c's. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "serve/files/internal.h"

enum {
    IN_ROOM = 16 * 1024,
    INPUT_A_TURN = 64 * 1024, /* read() goes on past it only while it has nothing to give */
};

struct compress_body {
    struct http_body base;
    struct files *files;
    struct file_source source;
    struct compressor *compressor;
    struct compress_step step; /* its input lies in `in` */
    int64_t at;
    int64_t left;
    bool done;
    char in[IN_ROOM];
};

static int fill(struct compress_body *b)
{
    size_t want = b->left < IN_ROOM ? (size_t)b->left : IN_ROOM;

    if (b->step.in_len || !want)
        return 0;
    ssize_t got = file_source_read(&b->source, b->at, b->in, want);
    if (got < 0)
        return (int)got;
    b->step.in = b->in;
    b->step.in_len = (size_t)got;
    b->at += got;
    b->left -= got;
    return 0;
}

static ssize_t compress_read(struct http_body *body, char *out, size_t cap)
{
    struct compress_body *b = container_of(body, struct compress_body, base);
    int64_t start = b->at;

    b->step.out = out;
    b->step.out_len = cap;
    while (!b->done && b->step.out_len &&
           (b->step.out_len == cap || b->at - start < INPUT_A_TURN)) {
        int r = fill(b);
        if (r < 0)
            return r;
        b->step.end = b->left == 0;
        r = compressor_run(b->compressor, &b->step);
        if (r < 0)
            return r;
        b->done = r;
    }
    return (ssize_t)(cap - b->step.out_len);
}

static void compress_close(struct http_body *body)
{
    struct compress_body *b = container_of(body, struct compress_body, base);

    compressor_destroy(b->compressor);
    if (b->source.file)
        cached_file_unref(&b->files->cache, b->source.file);
    file_source_close(&b->source);
    b->files->compressing--;
    files_unref(b->files);
    free(b);
}

struct http_body *files_body_compress(const struct files_request *q,
                                      const struct file_source *source, int64_t size,
                                      enum http_coding coding)
{
    enum compress_level level = (enum compress_level)q->files->settings->compress.level;
    struct file_source ours = *source;
    struct compressor *compressor;

    if (compressor_create(coding, level, size, &compressor) < 0) {
        file_source_close(&ours);
        return NULL;
    }
    struct compress_body *b = mem_alloc(sizeof *b);
    b->base = (struct http_body){compress_read, compress_close, NULL};
    b->files = q->files;
    b->source = ours;
    b->compressor = compressor;
    b->step = (struct compress_step){0};
    b->at = 0;
    b->left = size;
    b->done = false;
    if (ours.file)
        cached_file_ref(ours.file);
    else
        http_charge(q->x, 0, 1);
    q->files->refs++;
    q->files->compressing++;
    return &b->base;
}

static bool compress_variant(struct files *files, struct cached_file *file, enum http_coding coding)
{
    const struct cached_variant *plain = &file->variants[HTTP_CODING_IDENTITY];
    enum compress_level level = (enum compress_level)files->settings->compress.level;
    struct span packed;

    if (compress_whole(coding, level, span_of(plain->bytes, plain->size), &packed) < 0)
        return false;
    if (!file_cache_grow(&files->cache, file, packed.len)) {
        free((char *)packed.ptr);
        return false;
    }
    file->variants[coding].bytes = (char *)packed.ptr;
    file->variants[coding].size = packed.len;
    return true;
}

bool files_ensure_variant(struct files *files, struct cached_file *file, enum http_coding coding)
{
    if (likely(file->variants[coding].bytes != NULL))
        return true;
    if (compress_variant(files, file, coding))
        return true;
    file->offered &= (uint8_t) ~(1u << coding);
    return false;
}
