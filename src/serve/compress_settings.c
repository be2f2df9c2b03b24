/* The schema of `compress:`. */
#include "serve/compress.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)

static const char *check_coding(const char *value)
{
    if (strcmp(value, "zstd") == 0)
        return HAVE_ZSTD ? NULL : "takes libzstd, which this gardien is built without";
    if (strcmp(value, "br") == 0)
        return HAVE_BROTLI ? NULL : "takes libbrotlienc, which this gardien is built without";
    if (strcmp(value, "gzip") == 0)
        return NULL;
    return "is none of zstd, br, gzip";
}

static const char *const levels[] = {"fast", "balanced", "best", NULL};

const struct config_row compress_rows[] = {
    {.name = "enabled",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct compress_settings, enabled),
     .def = "true",
     .help = "Compress text and the like as it is sent."},
    {.name = "codings",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct compress_settings, codings),
     .max = 3,
     .def = COMPRESS_CODINGS,
     .help =
         "The codings to compress in; among those that a client wants equally, zstd goes before "
         "br before gzip.",
     .check = check_coding,
     .example = "[br, gzip]"},
    {.name = "min_size",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct compress_settings, min_size),
     .min = 1,
     .max = GIB,
     .def = "1KiB",
     .help = "Smaller files are sent as they are."},
    {.name = "max_size",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct compress_settings, max_size),
     .min = 1,
     .max = GIB,
     .def = "10MiB",
     .help = "Larger files are sent as they are; pack them beforehand."},
    {.name = "level",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct compress_settings, level),
     .def = "balanced",
     .help = "How much work to spend on fewer bytes.",
     .choices = levels},
    {.name = "concurrent",
     .type = CONFIG_INT,
     .offset = offsetof(struct compress_settings, concurrent),
     .max = 1000,
     .def = "16",
     .help =
         "Most answers that one worker compresses at a time while they are sent; beyond it they "
         "are sent as they are."},
    CONFIG_END,
};

unsigned compress_codings(const struct compress_settings *settings)
{
    unsigned bits = 0;

    for (size_t i = 0; settings->enabled && i < settings->codings.count; i++)
        for (int coding = HTTP_CODING_GZIP; coding < HTTP_CODINGS; coding++)
            if (span_equal(span_str(settings->codings.items[i]),
                           http_coding_name((enum http_coding)coding)))
                bits |= 1u << coding;
    return bits;
}
