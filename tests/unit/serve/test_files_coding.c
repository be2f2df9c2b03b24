/* Content codings of static files: neighbours, compression at once and on the way. */
#include "files_folder.h"

#include <stdio.h>
#include <stdlib.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"

enum { SMALL = 20000, LARGE = 3000000 };

static char *text_of(size_t len)
{
    char *text = mem_alloc(len + 1);

    for (size_t i = 0; i < len; i++)
        text[i] = "the quick brown fox\n"[(i * i / 7 + i) % 20];
    text[len] = '\0';
    return text;
}

static int setup(void **state)
{
    struct folder *folder = folder_create();
    char *text = text_of(LARGE);

    folder_write(folder, "/small.css", text, SMALL);
    folder_write(folder, "/large.json", text, LARGE);
    folder_write(folder, "/tiny.css", text, 1023);
    folder_write(folder, "/photo.jpg", text, SMALL);
    folder_write(folder, "/packed.js", text, SMALL);
    folder_text(folder, "/packed.js.br", "BR-BYTES");
    folder_text(folder, "/packed.js.gz", "GZ-BYTES");
    free(text);
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    folder_destroy(*state);
    return 0;
}

static size_t unpack(const char *coding, const struct answer *answer, char *out, size_t room)
{
    if (strcmp(coding, "zstd") == 0) {
        ZSTD_DCtx *d = ZSTD_createDCtx();
        ZSTD_inBuffer in = {answer->bytes, answer->len, 0};
        ZSTD_outBuffer to = {out, room, 0};
        assert_false(ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, 17)));
        while (in.pos < in.size)
            assert_false(ZSTD_isError(ZSTD_decompressStream(d, &to, &in)));
        ZSTD_freeDCtx(d);
        return to.pos;
    }
    if (strcmp(coding, "br") == 0) {
        assert_int_equal(BrotliDecoderDecompress(answer->len, (const uint8_t *)answer->bytes, &room,
                                                 (uint8_t *)out),
                         BROTLI_DECODER_RESULT_SUCCESS);
        return room;
    }
    z_stream z = {.next_in = (Bytef *)answer->bytes,
                  .avail_in = (uInt)answer->len,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)room};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return room - z.avail_out;
}

static void expect_packed(struct folder *folder, const char *target, const char *coding, size_t len)
{
    char *wanted = text_of(len), *got = mem_alloc(len + 1);
    struct answer answer = folder_get(folder, target, "accept-encoding", coding);

    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.end, 0);
    assert_string_equal(answer_field(&answer, "content-encoding"), coding);
    assert_string_equal(answer_field(&answer, "vary"), "accept-encoding");
    assert_true(answer.len < len / 2);
    assert_int_equal(unpack(coding, &answer, got, len + 1), len);
    assert_memory_equal(got, wanted, len);
    folder_close_answer(folder, &answer);
    free(wanted);
    free(got);
}

static void test_coding_small_text_is_packed_once_and_kept(void **state)
{
    static const char *const codings[] = {"zstd", "br", "gzip"};
    struct folder *folder = *state;
    struct files_stats before, after;

    for (size_t i = 0; i < 3; i++) {
        expect_packed(folder, "/small.css", codings[i], SMALL);
        files_stats(folder->files, &before);
        expect_packed(folder, "/small.css", codings[i], SMALL);
        files_stats(folder->files, &after);
        assert_int_equal(before.cache_bytes, after.cache_bytes);
        assert_int_equal(before.misses, after.misses);
    }
}

static void test_coding_large_text_is_packed_on_the_way(void **state)
{
    static const char *const codings[] = {"zstd", "br", "gzip"};
    struct folder *folder = *state;

    for (size_t i = 0; i < 3; i++) {
        expect_packed(folder, "/large.json", codings[i], LARGE);
        folder->chunk = i ? 32 << 10 : 100;
    }
    struct answer answer =
        folder_begin(folder, "GET", "/large.json", "accept-encoding", "gzip", NULL);
    assert_int_equal(answer.content_length, -1);
    assert_null(answer_field(&answer, "accept-ranges"));
    folder_close_answer(folder, &answer);
    answer = folder_begin(folder, "HEAD", "/large.json", "accept-encoding", "gzip", NULL);
    assert_string_equal(answer_field(&answer, "content-encoding"), "gzip");
    assert_null(answer.x->body);
    folder_close_answer(folder, &answer);
}

static void test_coding_large_text_in_memory_is_packed_on_the_way(void **state)
{
    struct folder *folder = *state;

    folder->settings.cache.max_file_size = 8 << 20;
    for (int i = 0; i < 2; i++)
        expect_packed(folder, "/large.json", "br", LARGE);
}

static void test_coding_truncated_while_packed_is_cut_off(void **state)
{
    struct folder *folder = *state;
    struct answer answer =
        folder_begin(folder, "GET", "/large.json", "accept-encoding", "zstd", NULL);

    folder_write(folder, "/large.json", "x", 1);
    folder_drain(folder, &answer);
    assert_true(answer.end < 0);
    folder_close_answer(folder, &answer);
}

static void expect_plain(struct folder *folder, const char *target, const char *accept, bool vary)
{
    struct answer answer = folder_get(folder, target, "accept-encoding", accept);

    assert_int_equal(answer.status, 200);
    assert_null(answer_field(&answer, "content-encoding"));
    assert_int_equal(answer_field(&answer, "vary") != NULL, vary);
    folder_close_answer(folder, &answer);
}

static void test_coding_plain_where_nothing_is_gained(void **state)
{
    struct folder *folder = *state;

    for (int i = 0; i < 2; i++) {
        expect_plain(folder, "/tiny.css", "gzip, br, zstd", false);
        expect_plain(folder, "/photo.jpg", "gzip, br, zstd", false);
        expect_plain(folder, "/small.css", "identity", true);
        expect_plain(folder, "/small.css", "deflate", true);
        expect_plain(folder, "/small.css", "gzip;q=0", true);
        expect_plain(folder, "/large.json", "gzip;q=0", true);
    }
}

static void test_coding_noise_is_not_packed(void **state)
{
    struct folder *folder = *state;
    unsigned char noise[4096];
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < sizeof noise; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        noise[i] = (unsigned char)(x >> 32);
    }
    folder_write(folder, "/noise.txt", noise, sizeof noise);
    struct answer answer = folder_get(folder, "/noise.txt", "accept-encoding", "gzip, br, zstd");
    assert_null(answer_field(&answer, "content-encoding"));
    assert_int_equal(answer.len, sizeof noise);
    folder_close_answer(folder, &answer);
}

static void test_coding_off_by_choice(void **state)
{
    struct folder *folder = *state;

    folder->settings.compress.enabled = false;
    folder->settings.precompressed = false;
    expect_plain(folder, "/small.css", "gzip", false);
    expect_plain(folder, "/large.json", "gzip", false);
    expect_plain(folder, "/packed.js", "gzip", false);
}

static void test_coding_concurrent_is_a_bound(void **state)
{
    struct folder *folder = *state;

    folder->settings.compress.concurrent = 1;
    struct answer first = folder_begin(folder, "GET", "/large.json", "accept-encoding", "br", NULL);
    assert_string_equal(answer_field(&first, "content-encoding"), "br");
    expect_plain(folder, "/large.json", "br", true);
    folder_close_answer(folder, &first);
    expect_packed(folder, "/large.json", "br", LARGE);
}

static void expect_neighbour(struct folder *folder, const char *accept, const char *coding,
                             const char *bytes)
{
    struct answer answer = folder_get(folder, "/packed.js", "accept-encoding", accept);

    assert_string_equal(answer_field(&answer, "content-encoding"), coding);
    assert_string_equal(answer.bytes, bytes);
    assert_string_equal(answer_field(&answer, "content-type"), "text/javascript; charset=utf-8");
    assert_string_equal(answer_field(&answer, "vary"), "accept-encoding");
    folder_close_answer(folder, &answer);
}

static void run_neighbours(struct folder *folder)
{
    expect_neighbour(folder, "gzip, deflate, br, zstd", "br", "BR-BYTES");
    expect_neighbour(folder, "gzip", "gzip", "GZ-BYTES");
    expect_neighbour(folder, "br;q=0.5, gzip", "gzip", "GZ-BYTES");
    expect_plain(folder, "/packed.js", "identity", true);
    struct answer answer =
        folder_get(folder, "/packed.js", "accept-encoding", "br", "range", "bytes=0-1");
    assert_int_equal(answer.status, 206);
    assert_string_equal(answer.bytes, "BR");
    assert_string_equal(answer_field(&answer, "content-range"), "bytes 0-1/8");
    folder_close_answer(folder, &answer);
}

static void test_coding_neighbours_go_first(void **state)
{
    struct folder *folder = *state;

    run_neighbours(folder);
    run_neighbours(folder);
    folder_forget(folder);
    folder->settings.cache.max_file_size = 0;
    run_neighbours(folder);
}

static void test_coding_older_neighbour_is_not_sent(void **state)
{
    struct folder *folder = *state;

    folder_touch(folder, "/packed.js.br", -10);
    folder_touch(folder, "/packed.js.gz", 10);
    expect_neighbour(folder, "br, gzip", "gzip", "GZ-BYTES");
    expect_neighbour(folder, "br, gzip", "gzip", "GZ-BYTES");
}

static void test_coding_range_of_packed_text_is_plain(void **state)
{
    struct folder *folder = *state;

    for (int i = 0; i < 2; i++) {
        const char *target = i ? "/large.json" : "/small.css";
        struct answer answer =
            folder_get(folder, target, "accept-encoding", "zstd", "range", "bytes=0-3");
        assert_int_equal(answer.status, 206);
        assert_null(answer_field(&answer, "content-encoding"));
        assert_string_equal(answer_field(&answer, "vary"), "accept-encoding");
        assert_int_equal(answer.len, 4);
        folder_close_answer(folder, &answer);
    }
}

static void test_coding_has_its_own_etag(void **state)
{
    static const char *const codings[] = {"identity", "gzip", "br", "zstd"};
    struct folder *folder = *state;
    char etags[4][64];

    for (int i = 0; i < 4; i++) {
        struct answer answer = folder_get(folder, "/small.css", "accept-encoding", codings[i]);
        snprintf(etags[i], sizeof etags[i], "%s", answer_field(&answer, "etag"));
        folder_close_answer(folder, &answer);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(etags[i], etags[j]);
        assert_status(folder, 304, "/small.css", "accept-encoding", codings[i], "if-none-match",
                      etags[i]);
    }
    assert_status(folder, 200, "/small.css", "accept-encoding", "br", "if-none-match", etags[0]);
}

static void test_coding_outlives_its_folder(void **state)
{
    struct folder *folder = *state;
    struct answer hot, packed, plain;

    assert_status(folder, 200, "/small.css");
    hot = folder_begin(folder, "GET", "/small.css", NULL);
    packed = folder_begin(folder, "GET", "/large.json", "accept-encoding", "gzip", NULL);
    plain = folder_begin(folder, "GET", "/large.json", NULL);
    folder_forget(folder);
    folder_drain(folder, &hot);
    folder_drain(folder, &packed);
    folder_drain(folder, &plain);
    assert_int_equal(hot.len, SMALL);
    assert_int_equal(plain.len, LARGE);
    assert_int_equal(packed.end, 0);
    folder_close_answer(folder, &hot);
    folder_close_answer(folder, &packed);
    folder_close_answer(folder, &plain);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_coding_small_text_is_packed_once_and_kept),
        TEST(test_coding_large_text_is_packed_on_the_way),
        TEST(test_coding_large_text_in_memory_is_packed_on_the_way),
        TEST(test_coding_truncated_while_packed_is_cut_off),
        TEST(test_coding_plain_where_nothing_is_gained),
        TEST(test_coding_noise_is_not_packed),
        TEST(test_coding_off_by_choice),
        TEST(test_coding_concurrent_is_a_bound),
        TEST(test_coding_neighbours_go_first),
        TEST(test_coding_older_neighbour_is_not_sent),
        TEST(test_coding_range_of_packed_text_is_plain),
        TEST(test_coding_has_its_own_etag),
        TEST(test_coding_outlives_its_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
