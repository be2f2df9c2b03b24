/* Compressing a body that comes in pieces: what was gathered is flushed when nothing more is there,
 * and all comes out again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "files_folder.h"
#include "serve/compress_filter.h"
#include "serve/route.h"

/* Gives `piece` bytes at a time, then says -EAGAIN once; ends after `left`, or fails. */
struct slow_body {
    struct http_body base;
    size_t left;
    size_t piece;
    bool starved;
    int failure;
    bool closed;
};

static ssize_t slow_read(struct http_body *body, char *out, size_t cap)
{
    struct slow_body *b = container_of(body, struct slow_body, base);
    size_t count = b->left < b->piece ? b->left : b->piece;

    if (count > cap)
        count = cap;
    b->starved = !b->starved;
    if (!b->starved)
        return -EAGAIN;
    if (b->left == 0)
        return b->failure;
    memset(out, 'a' + (int)(b->left % 7), count);
    b->left -= count;
    return (ssize_t)count;
}

static void slow_close(struct http_body *body)
{
    container_of(body, struct slow_body, base)->closed = true;
}

static char *coding_names[] = {(char *)"gzip"};
static const struct compress_settings settings = {true, {coding_names, 1}, 1000, 1 << 20, 1, 2};
static struct route route = {.path = {"/", 1}, .compress = &settings};

struct asked {
    struct http_exchange *x;
    struct request *r;
    struct http_response response;
};

static void ask(struct folder *folder, struct asked *asked, int64_t length)
{
    assert_status(folder, 404, "/none"); /* makes the folder's files */
    asked->x = http_exchange_take(folder->pool);
    folder_adopt(folder, asked->x);
    asked->x->request.method = HTTP_GET;
    asked->x->request.path = SPAN("/");
    assert_int_equal(http_add(&asked->x->arena, &asked->x->request.fields, SPAN("accept-encoding"),
                              SPAN("gzip")),
                     0);
    asked->r = request_begin(&folder->source, asked->x);
    asked->r->route = &route;
    assert_int_equal(request_response(asked->r, 200, 4, &asked->response), 0);
    asked->response.content_length = length;
    assert_int_equal(http_add(&asked->x->arena, &asked->response.fields, SPAN("content-type"),
                              SPAN("text/plain; charset=utf-8")),
                     0);
}

static void done(struct folder *folder, struct asked *asked)
{
    request_on_close(&folder->source, asked->x, HTTP_END_DONE);
    http_exchange_give(folder->pool, asked->x);
}

/* Bytes that inflate() makes of what has come. */
static size_t inflated(const struct buffer *packed)
{
    static char plain[1 << 20];
    z_stream z = {.next_in = (Bytef *)packed->data, .avail_in = (unsigned)packed->len};

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_out = (Bytef *)plain;
    z.avail_out = sizeof plain;
    inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    return sizeof plain - z.avail_out;
}

static void test_filter_flushes_what_it_has_when_nothing_more_is_there(void **state)
{
    struct folder *folder = *state;
    struct slow_body slow = {.base = {slow_read, slow_close, NULL}, .left = 50000, .piece = 500};
    struct buffer packed = buffer_make(1 << 20);
    struct http_body *body = &slow.base;
    struct asked asked;
    char out[32768];
    size_t pauses = 0;
    ssize_t n;

    ask(folder, &asked, -1);
    assert_int_equal(compress_filter(asked.r, &asked.response, &body), 0);
    assert_ptr_not_equal(body, &slow.base);
    assert_int_equal(asked.response.content_length, -1);
    while ((n = body->read(body, out, sizeof out)) != 0) {
        if (n == -EAGAIN) {
            pauses++;
            assert_int_equal(inflated(&packed), 50000 - slow.left);
            continue;
        }
        assert_true(n > 0);
        assert_int_equal(buffer_append(&packed, out, (size_t)n), 0);
        assert_int_equal(inflated(&packed), 50000 - slow.left);
    }
    assert_int_equal(inflated(&packed), 50000);
    assert_false(slow.closed);
    body->close(body);
    assert_true(slow.closed);
    buffer_finish(&packed);
    done(folder, &asked);
    (void)pauses;
}

static void test_filter_tells_that_the_body_failed(void **state)
{
    struct folder *folder = *state;
    struct slow_body slow = {
        .base = {slow_read, slow_close, NULL}, .left = 5000, .piece = 5000, .failure = -EIO};
    struct http_body *body = &slow.base;
    struct asked asked;
    char out[32768];
    ssize_t n;

    ask(folder, &asked, -1);
    assert_int_equal(compress_filter(asked.r, &asked.response, &body), 0);
    while ((n = body->read(body, out, sizeof out)) > 0 || n == -EAGAIN)
        ;
    assert_int_equal(n, -EIO);
    body->close(body);
    done(folder, &asked);
}

static void test_filter_weakens_entity_tags(void **state)
{
    struct folder *folder = *state;
    struct slow_body slow = {.base = {slow_read, slow_close, NULL}};
    struct http_body *body = &slow.base;
    struct asked asked;

    ask(folder, &asked, 5000);
    assert_int_equal(
        http_add(&asked.x->arena, &asked.response.fields, SPAN("etag"), SPAN("\"v1\"")), 0);
    assert_int_equal(compress_filter(asked.r, &asked.response, &body), 0);
    assert_true(span_equal(http_value(&asked.response.fields, SPAN("etag")), SPAN("W/\"v1\"")));
    assert_true(
        span_equal(http_value(&asked.response.fields, SPAN("vary")), SPAN("accept-encoding")));
    body->close(body);
    done(folder, &asked);
}

static void test_filter_leaves_alone_what_may_not_change(void **state)
{
    static const struct http_field fields[] = {
        {{"content-encoding", 16}, {"br", 2}},
        {{"cache-control", 13}, {"public, No-Transform", 20}},
        {{"content-range", 13}, {"bytes 0-1/2", 11}},
    };
    struct folder *folder = *state;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct slow_body slow = {.base = {slow_read, slow_close, NULL}};
        struct http_body *body = &slow.base;
        struct asked asked;
        ask(folder, &asked, 5000);
        assert_int_equal(
            http_add(&asked.x->arena, &asked.response.fields, fields[i].name, fields[i].value), 0);
        assert_int_equal(compress_filter(asked.r, &asked.response, &body), 0);
        assert_ptr_equal(body, &slow.base);
        assert_null(http_find(&asked.response.fields, SPAN("vary")));
        done(folder, &asked);
    }
}

static void test_filter_compresses_so_many_at_a_time(void **state)
{
    struct folder *folder = *state;
    struct slow_body slow = {.base = {slow_read, slow_close, NULL}};
    struct http_body *bodies[3];
    struct asked asked[3];

    for (int i = 0; i < 3; i++) {
        bodies[i] = &slow.base;
        ask(folder, &asked[i], 5000);
        assert_int_equal(compress_filter(asked[i].r, &asked[i].response, &bodies[i]), 0);
    }
    assert_ptr_not_equal(bodies[1], &slow.base);
    assert_ptr_equal(bodies[2], &slow.base); /* one too many: as it is */
    for (int i = 0; i < 2; i++)
        bodies[i]->close(bodies[i]);
    for (int i = 0; i < 3; i++)
        done(folder, &asked[i]);
}

static int setup(void **state)
{
    *state = folder_create();
    return 0;
}

static int teardown(void **state)
{
    folder_destroy(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_filter_flushes_what_it_has_when_nothing_more_is_there),
        TEST(test_filter_tells_that_the_body_failed),
        TEST(test_filter_weakens_entity_tags),
        TEST(test_filter_leaves_alone_what_may_not_change),
        TEST(test_filter_compresses_so_many_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
