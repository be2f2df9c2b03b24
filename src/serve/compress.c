/* zlib, brotli and zstd behind one interface. Windows are at most 256 KiB: a worker may hold many
 * compressors, and answers are rarely longer. */
#include "serve/compress.h"

#include <errno.h>
#include <stdlib.h>

#if HAVE_BROTLI
#include <brotli/encode.h>
#endif
#include <zlib.h>
#if HAVE_ZSTD
#include <zstd.h>
#endif

#include "base/mem.h"

enum { GZIP_WINDOW = 15, GZIP_HEADER = 16, GZIP_MEMORY = 8, BR_WINDOW = 18, ZSTD_WINDOW = 17 };

struct compressor {
    enum http_coding coding;
    union {
        z_stream gzip;
#if HAVE_BROTLI
        BrotliEncoderState *br;
#endif
#if HAVE_ZSTD
        ZSTD_CCtx *zstd;
#endif
    };
};

/* ---- gzip ---- */

static int gzip_create(struct compressor *c, enum compress_level level, int64_t size)
{
    static const int levels[] = {1, 6, 9};

    int r = deflateInit2(&c->gzip, levels[level], Z_DEFLATED, GZIP_WINDOW + GZIP_HEADER,
                         GZIP_MEMORY, Z_DEFAULT_STRATEGY);
    return r == Z_OK ? 0 : -ENOMEM;
}

/* zlib counts in unsigned int. */
static unsigned clip(size_t len)
{
    return len > (1u << 30) ? 1u << 30 : (unsigned)len;
}

static int gzip_run(struct compressor *c, struct compress_step *step)
{
    unsigned in_len = clip(step->in_len), out_len = clip(step->out_len);
    bool end = step->end && in_len == step->in_len;

    c->gzip.next_in = (z_const Bytef *)step->in;
    c->gzip.avail_in = in_len;
    c->gzip.next_out = (Bytef *)step->out;
    c->gzip.avail_out = out_len;
    int r = deflate(&c->gzip, end ? Z_FINISH : step->flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    step->in += in_len - c->gzip.avail_in;
    step->in_len -= in_len - c->gzip.avail_in;
    step->out += out_len - c->gzip.avail_out;
    step->out_len -= out_len - c->gzip.avail_out;
    if (r == Z_STREAM_END)
        return 1;
    return r == Z_OK || r == Z_BUF_ERROR ? 0 : -EIO;
}

static void gzip_destroy(struct compressor *c)
{
    deflateEnd(&c->gzip);
}

#if HAVE_BROTLI
/* ---- br ---- */

static int br_create(struct compressor *c, enum compress_level level, int64_t size)
{
    static const unsigned levels[] = {3, 5, 7};

    c->br = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!c->br)
        return -ENOMEM;
    BrotliEncoderSetParameter(c->br, BROTLI_PARAM_QUALITY, levels[level]);
    BrotliEncoderSetParameter(c->br, BROTLI_PARAM_LGWIN, BR_WINDOW);
    if (size >= 0)
        BrotliEncoderSetParameter(c->br, BROTLI_PARAM_SIZE_HINT,
                                  size > UINT32_MAX ? UINT32_MAX : (uint32_t)size);
    return 0;
}

static int br_run(struct compressor *c, struct compress_step *step)
{
    const uint8_t *in = (const uint8_t *)step->in;
    uint8_t *out = (uint8_t *)step->out;
    BrotliEncoderOperation operation = step->end     ? BROTLI_OPERATION_FINISH
                                       : step->flush ? BROTLI_OPERATION_FLUSH
                                                     : BROTLI_OPERATION_PROCESS;

    if (!BrotliEncoderCompressStream(c->br, operation, &step->in_len, &in, &step->out_len, &out,
                                     NULL))
        return -EIO;
    step->in = (const char *)in;
    step->out = (char *)out;
    return BrotliEncoderIsFinished(c->br);
}

static void br_destroy(struct compressor *c)
{
    BrotliEncoderDestroyInstance(c->br);
}
#endif

#if HAVE_ZSTD
/* ---- zstd ---- */

static int zstd_create(struct compressor *c, enum compress_level level, int64_t size)
{
    static const int levels[] = {1, 3, 9};

    c->zstd = ZSTD_createCCtx();
    if (!c->zstd)
        return -ENOMEM;
    if (ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, levels[level])) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_windowLog, ZSTD_WINDOW)) ||
        ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c->zstd, size < 0 ? ZSTD_CONTENTSIZE_UNKNOWN
                                                                   : (unsigned long long)size))) {
        ZSTD_freeCCtx(c->zstd);
        return -ENOMEM;
    }
    return 0;
}

static int zstd_run(struct compressor *c, struct compress_step *step)
{
    ZSTD_inBuffer in = {step->in, step->in_len, 0};
    ZSTD_outBuffer out = {step->out, step->out_len, 0};

    size_t left = ZSTD_compressStream2(c->zstd, &out, &in,
                                       step->end     ? ZSTD_e_end
                                       : step->flush ? ZSTD_e_flush
                                                     : ZSTD_e_continue);
    step->in += in.pos;
    step->in_len -= in.pos;
    step->out += out.pos;
    step->out_len -= out.pos;
    if (ZSTD_isError(left))
        return -EIO;
    return step->end && left == 0;
}

static void zstd_destroy(struct compressor *c)
{
    ZSTD_freeCCtx(c->zstd);
}
#endif

/* ---- each of them ---- */

static const struct method {
    int (*create)(struct compressor *c, enum compress_level level, int64_t size);
    int (*run)(struct compressor *c, struct compress_step *step);
    void (*destroy)(struct compressor *c);
} methods[HTTP_CODINGS] = {
    [HTTP_CODING_GZIP] = {gzip_create, gzip_run, gzip_destroy},
#if HAVE_BROTLI
    [HTTP_CODING_BR] = {br_create, br_run, br_destroy},
#endif
#if HAVE_ZSTD
    [HTTP_CODING_ZSTD] = {zstd_create, zstd_run, zstd_destroy},
#endif
};

int compressor_create(enum http_coding coding, enum compress_level level, int64_t size,
                      struct compressor **ret_compressor)
{
    struct compressor *c = mem_new(struct compressor);

    c->coding = coding;
    int r = methods[coding].create(c, level, size);
    if (r < 0) {
        free(c);
        return r;
    }
    *ret_compressor = c;
    return 0;
}

void compressor_destroy(struct compressor *c)
{
    if (!c)
        return;
    methods[c->coding].destroy(c);
    free(c);
}

int compressor_run(struct compressor *c, struct compress_step *step)
{
    return methods[c->coding].run(c, step);
}

/* Runs until the end or until the output is full. */
static int run_whole(struct compressor *c, struct compress_step *step)
{
    int r;

    do {
        size_t in_len = step->in_len, out_len = step->out_len;
        r = compressor_run(c, step);
        if (r == 0 && (!step->out_len || (step->in_len == in_len && step->out_len == out_len)))
            return ERR_LIMIT;
    } while (r == 0);
    return r;
}

int compress_whole(enum http_coding coding, enum compress_level level, struct span bytes,
                   struct span *ret_bytes)
{
    size_t room = bytes.len - bytes.len / 8;
    struct compressor *c;

    int r = compressor_create(coding, level, (int64_t)bytes.len, &c);
    if (r < 0)
        return r;
    char *out = malloc(room ? room : 1);
    struct compress_step step = {bytes.ptr, bytes.len, out, room, true, false};
    r = out ? run_whole(c, &step) : -ENOMEM;
    compressor_destroy(c);
    if (r < 0) {
        free(out);
        return r;
    }
    size_t len = room - step.out_len;
    char *fitted = realloc(out, len ? len : 1);
    *ret_bytes = span_of(fitted ? fitted : out, len);
    return 0;
}
