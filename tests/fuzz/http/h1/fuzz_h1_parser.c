/* The request head: SIMD and scalar marks agree, and any split gives the same result. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/h1/parser.h"
#include "http/h1/request.h"
#include "http/h1/scan.h"
#include "http/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
    .header_bytes = 600, .header_count = 30, .uri_bytes = 200, .body_bytes = 100};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_marks(struct span bytes)
{
    struct h1_marks fast, slow;
    size_t most = H1_SCAN_BLOCK * H1_SCAN_BLOCKS;

    bytes.len = bytes.len < most ? bytes.len : most;
    size_t blocks = (bytes.len + H1_SCAN_BLOCK - 1) / H1_SCAN_BLOCK;
    h1_scan(bytes.ptr, bytes.len, &fast);
    h1_scan_scalar(bytes.ptr, bytes.len, &slow);
    require(memcmp(fast.name, slow.name, blocks * 8) == 0);
    require(memcmp(fast.value, slow.value, blocks * 8) == 0);
    require(memcmp(fast.target, slow.target, blocks * 8) == 0);
}

/** As the engine does it, `step` bytes more each time, each time at another place. */
static ssize_t parse(struct http_exchange *x, struct span head, size_t step)
{
    struct h1_parser parser;
    struct h1_framing framing;
    char *moving = NULL;
    size_t have = 0;
    ssize_t length = 0;

    h1_parser_head(&parser, x);
    while (length == 0 && have < head.len) {
        have = head.len - have < step ? head.len : have + step;
        char *next = mem_alloc(have);
        memcpy(next, head.ptr, have);
        length = h1_parse(&parser, span_of(next, have), &limits);
        free(moving);
        moving = next;
    }
    if (length != 0)
        require(h1_parser_keep(&parser) == 0);
    free(moving);
    if (length > 0)
        h1_request_read(&x->request, &x->arena, &limits, &framing);
    else if (length < 0)
        h1_request_refuse(&x->request, parser.refusal, parser.reason);
    return length;
}

static void check_field(struct http_field field)
{
    require(field.name.len > 0);
    for (size_t i = 0; i < field.name.len; i++)
        require(field.name.ptr[i] > ' ' && ascii_lower(field.name.ptr[i]) == field.name.ptr[i]);
    for (size_t i = 0; i < field.value.len; i++)
        require((uint8_t)field.value.ptr[i] >= ' ' || field.value.ptr[i] == '\t');
    struct span trimmed = span_trim(field.value);
    require(trimmed.len == field.value.len);
}

static void check_request(const struct http_request *request)
{
    require(request->path.len > 0);
    require(request->path.ptr[0] == '/' || request->path.ptr[0] == '*');
    if (request->refusal)
        return;
    require(request->fields.count <= limits.header_count);
    require(request->target.len > 0 && request->target.len <= limits.uri_bytes);
    require(request->authority.len || request->version == HTTP_1_0);
    require(request->authority.len == 0 || http_authority_valid(request->authority));
    for (unsigned i = 0; i < request->fields.count; i++)
        check_field(request->fields.items[i]);
}

static void check_same(const struct http_request *a, const struct http_request *b)
{
    require(a->refusal == b->refusal);
    require(a->version == b->version && a->method == b->method);
    require(span_equal(a->target, b->target) && span_equal(a->host, b->host));
    require(a->has_body == b->has_body && a->content_length == b->content_length);
    if (a->refusal)
        return;
    require(a->fields.count == b->fields.count);
    for (unsigned i = 0; i < a->fields.count; i++) {
        require(span_equal(a->fields.items[i].name, b->fields.items[i].name));
        require(span_equal(a->fields.items[i].value, b->fields.items[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 2000)
        return 0;
    struct span head = span_of((const char *)data + 1, size - 1);
    struct http_pool *pool = http_pool_create(1 << 20);
    struct http_exchange *whole = http_exchange_take(pool), *split = http_exchange_take(pool);

    check_marks(head);
    ssize_t length = parse(whole, head, head.len);
    require(parse(split, head, (size_t)data[0] % 40 + 1) == length);
    if (length != 0) {
        check_request(&whole->request);
        check_same(&whole->request, &split->request);
    }
    http_exchange_give(pool, whole);
    http_exchange_give(pool, split);
    http_pool_destroy(pool);
    return 0;
}
