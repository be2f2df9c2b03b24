/* The chunked decoder: any split gives the same data and the same end; what is encoded decodes. */
#include <stdlib.h>

#include "base/buffer.h"
#include "http/h1/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct buffer data;
    size_t used;
    int result;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct outcome decode(struct span body, size_t step)
{
    struct outcome o = {.data = buffer_make(1 << 20)};
    struct h1_chunked decoder = {0};

    while (o.result == 0 && o.used < body.len) {
        size_t left = body.len - o.used;
        struct span input = span_of(body.ptr + o.used, left < step ? left : step);
        struct span data;
        while ((o.result = h1_chunked_decode(&decoder, &input, &data)) == 1)
            require(data.len > 0 && buffer_add(&o.data, data) == 0);
        o.used = (size_t)(input.ptr - body.ptr);
    }
    return o;
}

static void check_splits(struct span body, size_t step)
{
    struct outcome whole = decode(body, body.len), split = decode(body, step);

    require(whole.result == split.result && whole.used == split.used);
    require(span_equal(buffer_span(&whole.data), buffer_span(&split.data)));
    buffer_finish(&whole.data);
    buffer_finish(&split.data);
}

static void check_round_trip(struct span body, size_t step)
{
    struct buffer coded = buffer_make(1 << 20);
    char head[H1_CHUNK_HEAD_MAX];

    for (size_t at = 0; at < body.len; at += step) {
        size_t part = body.len - at < step ? body.len - at : step;
        require(buffer_append(&coded, head, h1_chunked_head(head, part)) == 0);
        require(buffer_append(&coded, body.ptr + at, part) == 0);
        require(buffer_append(&coded, "\r\n", 2) == 0);
    }
    require(buffer_append(&coded, "0\r\n\r\n", 5) == 0);
    struct outcome back = decode(buffer_span(&coded), 7);
    require(back.result == 2 && back.used == coded.len - 2);
    require(span_equal(buffer_span(&back.data), body));
    buffer_finish(&back.data);
    buffer_finish(&coded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    struct span body = span_of((const char *)data + 1, size - 1);

    check_splits(body, (size_t)data[0] % 50 + 1);
    check_round_trip(body, (size_t)data[0] % 300 + 1);
    return 0;
}
