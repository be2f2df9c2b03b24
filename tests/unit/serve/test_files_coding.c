/* Content codings of static files: neighbours, compression at once and on the way. */
#include "files_site.h"

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
    struct site *site = site_create();
    char *text = text_of(LARGE);

    site_write(site, "/small.css", text, SMALL);
    site_write(site, "/large.json", text, LARGE);
    site_write(site, "/tiny.css", text, 1023);
    site_write(site, "/photo.jpg", text, SMALL);
    site_write(site, "/packed.js", text, SMALL);
    site_text(site, "/packed.js.br", "BR-BYTES");
    site_text(site, "/packed.js.gz", "GZ-BYTES");
    free(text);
    *state = site;
    return 0;
}

static int teardown(void **state)
{
    site_destroy(*state);
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

static void expect_packed(struct site *site, const char *target, const char *coding, size_t len)
{
    char *wanted = text_of(len), *got = mem_alloc(len + 1);
    struct answer answer = site_get(site, target, "accept-encoding", coding);

    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.end, 0);
    assert_string_equal(answer_field(&answer, "content-encoding"), coding);
    assert_string_equal(answer_field(&answer, "vary"), "accept-encoding");
    assert_true(answer.len < len / 2);
    assert_int_equal(unpack(coding, &answer, got, len + 1), len);
    assert_memory_equal(got, wanted, len);
    site_close_answer(site, &answer);
    free(wanted);
    free(got);
}

static void test_coding_small_text_is_packed_once_and_kept(void **state)
{
    static const char *const codings[] = {"zstd", "br", "gzip"};
    struct site *site = *state;
    struct files_stats before, after;

    for (size_t i = 0; i < 3; i++) {
        expect_packed(site, "/small.css", codings[i], SMALL);
        files_stats(site->files, &before);
        expect_packed(site, "/small.css", codings[i], SMALL);
        files_stats(site->files, &after);
        assert_int_equal(before.cache_bytes, after.cache_bytes);
        assert_int_equal(before.misses, after.misses);
    }
}

static void test_coding_large_text_is_packed_on_the_way(void **state)
{
    static const char *const codings[] = {"zstd", "br", "gzip"};
    struct site *site = *state;

    for (size_t i = 0; i < 3; i++) {
        expect_packed(site, "/large.json", codings[i], LARGE);
        site->chunk = i ? 32 << 10 : 100;
    }
    struct answer answer = site_begin(site, "GET", "/large.json", "accept-encoding", "gzip", NULL);
    assert_int_equal(answer.content_length, -1);
    assert_null(answer_field(&answer, "accept-ranges"));
    site_close_answer(site, &answer);
    answer = site_begin(site, "HEAD", "/large.json", "accept-encoding", "gzip", NULL);
    assert_string_equal(answer_field(&answer, "content-encoding"), "gzip");
    assert_null(answer.x->body);
    site_close_answer(site, &answer);
}

static void test_coding_large_text_in_memory_is_packed_on_the_way(void **state)
{
    struct site *site = *state;

    site->settings.cache.max_file_size = 8 << 20;
    for (int i = 0; i < 2; i++)
        expect_packed(site, "/large.json", "br", LARGE);
}

static void test_coding_truncated_while_packed_is_cut_off(void **state)
{
    struct site *site = *state;
    struct answer answer = site_begin(site, "GET", "/large.json", "accept-encoding", "zstd", NULL);

    site_write(site, "/large.json", "x", 1);
    site_drain(site, &answer);
    assert_true(answer.end < 0);
    site_close_answer(site, &answer);
}

static void expect_plain(struct site *site, const char *target, const char *accept, bool vary)
{
    struct answer answer = site_get(site, target, "accept-encoding", accept);

    assert_int_equal(answer.status, 200);
    assert_null(answer_field(&answer, "content-encoding"));
    assert_int_equal(answer_field(&answer, "vary") != NULL, vary);
    site_close_answer(site, &answer);
}

static void test_coding_plain_where_nothing_is_gained(void **state)
{
    struct site *site = *state;

    for (int i = 0; i < 2; i++) {
        expect_plain(site, "/tiny.css", "gzip, br, zstd", false);
        expect_plain(site, "/photo.jpg", "gzip, br, zstd", false);
        expect_plain(site, "/small.css", "identity", true);
        expect_plain(site, "/small.css", "deflate", true);
        expect_plain(site, "/small.css", "gzip;q=0", true);
        expect_plain(site, "/large.json", "gzip;q=0", true);
    }
}

static void test_coding_noise_is_not_packed(void **state)
{
    struct site *site = *state;
    unsigned char noise[4096];
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < sizeof noise; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        noise[i] = (unsigned char)(x >> 32);
    }
    site_write(site, "/noise.txt", noise, sizeof noise);
    struct answer answer = site_get(site, "/noise.txt", "accept-encoding", "gzip, br, zstd");
    assert_null(answer_field(&answer, "content-encoding"));
    assert_int_equal(answer.len, sizeof noise);
    site_close_answer(site, &answer);
}

static void test_coding_off_by_choice(void **state)
{
    struct site *site = *state;

    site->settings.compress.enabled = false;
    site->settings.precompressed = false;
    expect_plain(site, "/small.css", "gzip", false);
    expect_plain(site, "/large.json", "gzip", false);
    expect_plain(site, "/packed.js", "gzip", false);
}

static void test_coding_concurrent_is_a_bound(void **state)
{
    struct site *site = *state;

    site->settings.compress.concurrent = 1;
    struct answer first = site_begin(site, "GET", "/large.json", "accept-encoding", "br", NULL);
    assert_string_equal(answer_field(&first, "content-encoding"), "br");
    expect_plain(site, "/large.json", "br", true);
    site_close_answer(site, &first);
    expect_packed(site, "/large.json", "br", LARGE);
}

static void expect_neighbour(struct site *site, const char *accept, const char *coding,
                             const char *bytes)
{
    struct answer answer = site_get(site, "/packed.js", "accept-encoding", accept);

    assert_string_equal(answer_field(&answer, "content-encoding"), coding);
    assert_string_equal(answer.bytes, bytes);
    assert_string_equal(answer_field(&answer, "content-type"), "text/javascript; charset=utf-8");
    assert_string_equal(answer_field(&answer, "vary"), "accept-encoding");
    site_close_answer(site, &answer);
}

static void run_neighbours(struct site *site)
{
    expect_neighbour(site, "gzip, deflate, br, zstd", "br", "BR-BYTES");
    expect_neighbour(site, "gzip", "gzip", "GZ-BYTES");
    expect_neighbour(site, "br;q=0.5, gzip", "gzip", "GZ-BYTES");
    expect_plain(site, "/packed.js", "identity", true);
    struct answer answer =
        site_get(site, "/packed.js", "accept-encoding", "br", "range", "bytes=0-1");
    assert_int_equal(answer.status, 206);
    assert_string_equal(answer.bytes, "BR");
    assert_string_equal(answer_field(&answer, "content-range"), "bytes 0-1/8");
    site_close_answer(site, &answer);
}

static void test_coding_neighbours_go_first(void **state)
{
    struct site *site = *state;

    run_neighbours(site);
    run_neighbours(site);
    files_destroy(site->files);
    site->files = NULL;
    site->settings.cache.max_file_size = 0;
    run_neighbours(site);
}

static void test_coding_older_neighbour_is_not_sent(void **state)
{
    struct site *site = *state;

    site_touch(site, "/packed.js.br", -10);
    site_touch(site, "/packed.js.gz", 10);
    expect_neighbour(site, "br, gzip", "gzip", "GZ-BYTES");
    expect_neighbour(site, "br, gzip", "gzip", "GZ-BYTES");
}

static void test_coding_range_of_packed_text_is_plain(void **state)
{
    struct site *site = *state;

    for (int i = 0; i < 2; i++) {
        const char *target = i ? "/large.json" : "/small.css";
        struct answer answer =
            site_get(site, target, "accept-encoding", "zstd", "range", "bytes=0-3");
        assert_int_equal(answer.status, 206);
        assert_null(answer_field(&answer, "content-encoding"));
        assert_string_equal(answer_field(&answer, "vary"), "accept-encoding");
        assert_int_equal(answer.len, 4);
        site_close_answer(site, &answer);
    }
}

static void test_coding_has_its_own_etag(void **state)
{
    static const char *const codings[] = {"identity", "gzip", "br", "zstd"};
    struct site *site = *state;
    char etags[4][64];

    for (int i = 0; i < 4; i++) {
        struct answer answer = site_get(site, "/small.css", "accept-encoding", codings[i]);
        snprintf(etags[i], sizeof etags[i], "%s", answer_field(&answer, "etag"));
        site_close_answer(site, &answer);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(etags[i], etags[j]);
        assert_status(site, 304, "/small.css", "accept-encoding", codings[i], "if-none-match",
                      etags[i]);
    }
    assert_status(site, 200, "/small.css", "accept-encoding", "br", "if-none-match", etags[0]);
}

static void test_coding_outlives_its_folder(void **state)
{
    struct site *site = *state;
    struct answer hot, packed, plain;

    assert_status(site, 200, "/small.css");
    hot = site_begin(site, "GET", "/small.css", NULL);
    packed = site_begin(site, "GET", "/large.json", "accept-encoding", "gzip", NULL);
    plain = site_begin(site, "GET", "/large.json", NULL);
    files_destroy(site->files);
    site->files = NULL;
    site_drain(site, &hot);
    site_drain(site, &packed);
    site_drain(site, &plain);
    assert_int_equal(hot.len, SMALL);
    assert_int_equal(plain.len, LARGE);
    assert_int_equal(packed.end, 0);
    site_close_answer(site, &hot);
    site_close_answer(site, &packed);
    site_close_answer(site, &plain);
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
