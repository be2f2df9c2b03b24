/* The header encoder with any fields, table sizes and order, held against nghttp2's decoder. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "http/h2/hpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 40 };

struct source {
    const uint8_t *at;
    size_t left;
};

static uint8_t take_byte(struct source *source)
{
    if (source->left == 0)
        return 0;
    source->left--;
    return *source->at++;
}

static struct span take_span(struct source *source, size_t len)
{
    struct span s;

    len = len < source->left ? len : source->left;
    s = span_of((const char *)source->at, len);
    source->at += len;
    source->left -= len;
    return s;
}

struct field {
    struct span name, value;
};

static size_t take_fields(struct source *source, struct field *fields)
{
    static const struct span known[] = {{"etag", 4},        {"date", 4}, {"content-length", 14},
                                        {"set-cookie", 10}, {"vary", 4}, {"x", 1}};
    size_t count = take_byte(source) % FIELDS_MAX;

    for (size_t i = 0; i < count; i++) {
        uint8_t dice = take_byte(source);
        fields[i].name =
            dice & 1 ? known[dice / 2 % ARRAY_SIZE(known)] : take_span(source, 1 + dice / 32);
        dice = take_byte(source);
        fields[i].value = take_span(source, dice < 250 ? dice % 16 : (size_t)dice * 8);
        if (fields[i].name.len == 0)
            fields[i].name = SPAN("y");
    }
    return count;
}

static size_t encode(struct h2_hpack *hpack, char *block, const struct field *fields, size_t count)
{
    char *at = h2_hpack_begin(hpack, block);

    for (size_t i = 0; i < count; i++)
        at = h2_hpack_put(hpack, at, fields[i].name, fields[i].value);
    return (size_t)(at - block);
}

static void decode(nghttp2_hd_inflater *inflater, const char *block, size_t len,
                   const struct field *fields, size_t count)
{
    const uint8_t *at = (const uint8_t *)block;
    size_t seen = 0;

    for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
        nghttp2_nv nv;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, at, len, 1);
        if (used < 0)
            abort();
        at += used;
        len -= (size_t)used;
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
            continue;
        if (seen == count || !span_equal(fields[seen].name, span_of((char *)nv.name, nv.namelen)) ||
            !span_equal(fields[seen].value, span_of((char *)nv.value, nv.valuelen)))
            abort();
        seen++;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    if (len || seen != count)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct field fields[FIELDS_MAX];
    nghttp2_hd_inflater *inflater;
    struct h2_hpack hpack;

    h2_hpack_init(&hpack);
    if (nghttp2_hd_inflate_new(&inflater) != 0)
        abort();
    while (source.left) {
        uint8_t op = take_byte(&source);
        if (op < 40) {
            h2_hpack_resize(&hpack, op * 128U);
            if (nghttp2_hd_inflate_change_table_size(inflater, op * 128U) != 0)
                abort();
        }
        size_t count = take_fields(&source, fields), room = H2_HPACK_START;
        for (size_t i = 0; i < count; i++)
            room += fields[i].name.len + fields[i].value.len + H2_HPACK_FIELD;
        char *block = malloc(room);
        decode(inflater, block, encode(&hpack, block, fields, count), fields, count);
        free(block);
    }
    h2_hpack_finish(&hpack);
    nghttp2_hd_inflate_del(inflater);
    return 0;
}
