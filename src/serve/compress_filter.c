/* Compresses a body as it is read. A body that has nothing more for now (-EAGAIN) has what was
 * gathered flushed first, so that a slow stream is not held back. */
#include "serve/compress_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "serve/files/media_type.h"
#include "serve/route.h"
#include "serve/server_state.h"

enum {
    IN_MAX = 16 * 1024,
    INPUT_A_READ = 64 * 1024,      /* a read of the filter takes about so much of the body's */
    COMPRESSOR_BYTES = 384 * 1024, /* charged for one: the largest of the three has about as much */
};

struct compressed_body {
    struct http_body base;
    struct http_body *inner;
    struct server *server;
    struct compressor *compressor;
    struct compress_step step; /* its input lies in `in` */
    bool ended;                /* the body's end was read */
    bool done;                 /* so was the compressor's */
    bool dirty;                /* bytes went in since the last flush */
    int error;                 /* of the body, told once what came before it is sent */
    char in[IN_MAX];
};

/* Reads some of the body. @return 0, or -EAGAIN or another error of the body */
static ssize_t fill(struct compressed_body *b)
{
    ssize_t got = b->inner->read(b->inner, b->in, IN_MAX);

    if (got < 0)
        return got;
    b->step.in = b->in;
    b->step.in_len = (size_t)got;
    b->ended = got == 0;
    b->dirty |= got > 0;
    return got;
}

/* @return 0, or -EIO */
static int run(struct compressed_body *b, bool flush)
{
    b->step.end = b->ended;
    b->step.flush = flush;
    int r = compressor_run(b->compressor, &b->step);
    if (r < 0)
        return r;
    b->done = r;
    return 0;
}

static ssize_t compressed_read(struct http_body *body, char *out, size_t cap)
{
    struct compressed_body *b = container_of(body, struct compressed_body, base);
    size_t taken = 0;

    b->step.out = out;
    b->step.out_len = cap;
    while (!b->done && b->step.out_len) {
        ssize_t got = 1;
        if (b->step.in_len == 0 && !b->ended && !b->error) {
            if (taken >= INPUT_A_READ && b->step.out_len < cap)
                break;
            got = fill(b);
            taken += got > 0 ? (size_t)got : 0;
        }
        if (got < 0 && got != -EAGAIN)
            b->error = (int)got;
        bool starved = got == -EAGAIN || b->error;
        if (starved && !b->dirty)
            break;
        int r = run(b, starved);
        if (r < 0)
            return r;
        if (starved && b->step.out_len) { /* all is flushed */
            b->dirty = false;
            break;
        }
    }
    if (b->step.out_len < cap)
        return (ssize_t)(cap - b->step.out_len);
    return b->done ? 0 : b->error ? b->error : -EAGAIN;
}

static void compressed_close(struct http_body *body)
{
    struct compressed_body *b = container_of(body, struct compressed_body, base);

    if (b->inner->close)
        b->inner->close(b->inner);
    compressor_destroy(b->compressor);
    b->server->compressing--;
    free(b);
}

/* ---- whether ---- */

static bool has_token(struct span list, struct span token)
{
    struct span part;

    while (span_next(&list, ',', &part))
        if (span_equal_nocase(span_trim(part), token))
            return true;
    return false;
}

static bool may_be_changed(const struct http_response *response)
{
    const struct http_fields *fields = &response->fields;

    if (response->status == 206 || response->status == 204 || response->status == 304)
        return false;
    return !http_find(fields, SPAN("content-encoding")) &&
           !http_find(fields, SPAN("content-range")) &&
           !has_token(http_value(fields, SPAN("cache-control")), SPAN("no-transform"));
}

/* ---- fields ---- */

static int add_vary(struct arena *arena, struct http_fields *fields)
{
    struct span vary = http_value(fields, SPAN("vary"));

    if (has_token(vary, SPAN("accept-encoding")) || has_token(vary, SPAN("*")))
        return 0;
    return http_add(arena, fields, SPAN("vary"), SPAN("accept-encoding"));
}

/* What was compressed on the way is the same only in what it says, not byte by byte. */
static int weaken_etag(struct arena *arena, struct http_fields *fields)
{
    struct span etag = http_value(fields, SPAN("etag"));

    if (etag.len == 0 || span_starts(etag, SPAN("W/")))
        return 0;
    struct span weak = arena_printf(arena, "W/%.*s", SPAN_ARGS(etag));
    return weak.ptr ? http_set(arena, fields, SPAN("etag"), weak) : ERR_LIMIT;
}

static int set_fields(struct arena *arena, struct http_response *response, enum http_coding coding)
{
    int r = http_add(arena, &response->fields, SPAN("content-encoding"), http_coding_name(coding));

    if (r >= 0)
        r = weaken_etag(arena, &response->fields);
    http_unset(&response->fields, SPAN("accept-ranges"));
    response->content_length = -1;
    return r;
}

static int wrap(struct request *r, enum http_coding coding, int64_t size, struct http_body **body)
{
    const struct compress_settings *settings = r->route->compress;
    struct compressor *compressor;

    if (compressor_create(coding, (enum compress_level)settings->level, size, &compressor) < 0)
        return -ENOMEM;
    struct compressed_body *b = mem_alloc(sizeof *b);
    memset(b, 0, offsetof(struct compressed_body, in));
    b->base = (struct http_body){compressed_read, compressed_close, (*body)->trailers};
    b->inner = *body;
    b->server = r->server;
    b->compressor = compressor;
    r->server->compressing++;
    http_charge(r->x, COMPRESSOR_BYTES, 0);
    *body = &b->base;
    return 0;
}

int compress_filter(struct request *r, struct http_response *response, struct http_body **body)
{
    const struct compress_settings *settings = r->route ? r->route->compress : NULL;
    unsigned ours = settings ? compress_codings(settings) : 0;
    bool head = r->x->request.method == HTTP_HEAD;
    struct http_codings wanted;
    struct http_asks asks;

    if (!ours || (!*body && !head) || !may_be_changed(response) ||
        !media_type_compressible(http_value(&response->fields, SPAN("content-type"))))
        return 0;
    if (response->content_length >= 0 && (response->content_length < settings->min_size ||
                                          response->content_length > settings->max_size))
        return 0;
    int failed = add_vary(&r->x->arena, &response->fields);
    if (failed < 0 || r->server->compressing >= settings->concurrent)
        return failed;
    http_asks_find(&r->x->request.fields, &asks);
    http_codings_parse(&asks, &wanted);
    enum http_coding coding = http_codings_choose(&wanted, ours | 1u << HTTP_CODING_IDENTITY, 0);
    if (coding == HTTP_CODING_IDENTITY)
        return 0;
    if (!head && wrap(r, coding, response->content_length, body) < 0)
        return 0; /* no memory: as it is */
    return set_fields(&r->x->arena, response, coding);
}
