/* Paths: what is accepted begins with one slash, has no dot segments, no doubled slashes and no
 * control bytes, and comes back the same after being encoded. */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_clean(struct span path)
{
    struct span rest = span_from(path, 1), segment;

    if (!path.len || path.ptr[0] != '/')
        abort();
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] < 0x20 || path.ptr[i] == 0x7f)
            abort();
    while (rest.len && span_next(&rest, '/', &segment)) {
        if (span_equal(segment, SPAN(".")) || span_equal(segment, SPAN("..")))
            abort();
        if (!segment.len)
            abort();
    }
}

static void check_round_trip(struct span path)
{
    scoped(buffer_finish) struct buffer encoded = buffer_make(1 << 20);
    struct span again;
    struct arena arena;
    char first[16];

    arena_init(&arena, first, sizeof first, 1 << 20);
    if (http_path_encode(&encoded, path) < 0 ||
        http_path_resolve(&arena, buffer_span(&encoded), &again) < 0 || !span_equal(path, again))
        abort();
    arena_reset(&arena, first, sizeof first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    char first[16];
    struct span path;

    if (size > 4096)
        return 0;
    arena_init(&arena, first, sizeof first, 1 << 16);
    if (http_path_resolve(&arena, span_of((const char *)data, size), &path) == 0) {
        check_clean(path);
        check_round_trip(path);
        if (path.len > size)
            abort();
    }
    arena_reset(&arena, first, sizeof first);
    return 0;
}
