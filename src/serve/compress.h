/* One interface for three compressors: gzip, br and zstd, with windows small enough for browsers
 * and for many at a time. What gets compressed, and when, is compress_file.c's. */
#pragma once

#include "config/config.h"
#include "http/http.h"

enum compress_level { COMPRESS_FAST, COMPRESS_BALANCED, COMPRESS_BEST };

/** The codings that the program is built with, as the setting `codings` is written. */
#if HAVE_ZSTD && HAVE_BROTLI
#define COMPRESS_CODINGS "[zstd, br, gzip]"
#elif HAVE_ZSTD
#define COMPRESS_CODINGS "[zstd, gzip]"
#elif HAVE_BROTLI
#define COMPRESS_CODINGS "[br, gzip]"
#else
#define COMPRESS_CODINGS "[gzip]"
#endif
/** `compress:` of a folder, a route or a site. */
struct compress_settings {
    bool enabled;
    struct config_strings codings; /**< of "zstd", "br", "gzip" */
    int64_t min_size;              /**< shorter bodies are sent as they are */
    int64_t max_size;              /**< so are longer ones */
    int level;                     /**< enum compress_level */
    int64_t concurrent;            /**< most answers compressed at a time, a worker */
};

extern const struct config_row compress_rows[];
/** The codings as bits 1 << HTTP_CODING_x; 0 when compression is off. */
unsigned compress_codings(const struct compress_settings *settings);

struct compressor;

/** @param coding  not identity, and one of COMPRESS_CODINGS
 *  @param size    bytes that will come; fewer or more is an error at the end; -1: not known
 *  @return 0, or -ENOMEM */
must_check int compressor_create(enum http_coding coding, enum compress_level level, int64_t size,
                                 struct compressor **ret_compressor);
void compressor_destroy(struct compressor *compressor);

/** What is still to be read and to be written; compressor_run() moves all four. */
struct compress_step {
    const char *in;
    size_t in_len;
    char *out;
    size_t out_len;
    bool end;   /**< no input follows `in` */
    bool flush; /**< write all that was taken in, so that the reader can decode it */
};

/** Goes on until the input is used up or the output is full.
 *  @return 1 when the end has been written, 0 to go on, or -EIO */
must_check int compressor_run(struct compressor *compressor, struct compress_step *step);

/** Compresses all at once. @param ret_bytes  for free()
 *  @return 0; ERR_LIMIT when nothing worth it is gained (an eighth); -ENOMEM; -EIO */
must_check int compress_whole(enum http_coding coding, enum compress_level level, struct span bytes,
                              struct span *ret_bytes);
