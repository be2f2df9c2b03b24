/* The folder, the engine and the exchanges of the tests of static files. What is expected of the
 * answers stands in the tests. */
#include "files_site.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static void respond(struct http_exchange *x)
{
    ((struct site *)x->stream)->responses++;
}

static const struct http_exchange_ops ops = {.respond = respond};

static char *index_names[] = {(char *)"index.html", (char *)"index.htm"};
static char *coding_names[] = {
#if HAVE_ZSTD
    (char *)"zstd",
#endif
#if HAVE_BROTLI
    (char *)"br",
#endif
    (char *)"gzip",
};

struct site *site_create(void)
{
    struct site *site = mem_new(struct site);

    strcpy(site->root, "/tmp/gardien-files-XXXXXX");
    assert_non_null(mkdtemp(site->root));
    site->root_fd = open(site->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(site->root_fd >= 0);
    site->settings = (struct files_settings){
        .root = site->root,
        .index = {index_names, 2},
        .precompressed = true,
        .compress = {true, {coding_names, ARRAY_SIZE(coding_names)}, 1024, 10 << 20, 1, 16},
        .cache = {256 << 10, 64 << 20, 100 * NSEC_PER_MSEC},
    };
    site->pool = http_pool_create(1 << 20);
    site->now = 1000 * NSEC_PER_SEC;
    site->chunk = 32 << 10;
    return site;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void site_destroy(struct site *site)
{
    files_destroy(site->files);
    http_pool_destroy(site->pool);
    close(site->root_fd);
    nftw(site->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(site);
}

void site_adopt(struct site *site, struct http_exchange *x)
{
    x->ops = &ops;
    x->stream = site;
}

const char *site_path(const struct site *site, const char *path)
{
    static char text[8192];

    snprintf(text, sizeof text, "%s%s", site->root, path);
    return text;
}

void site_write(struct site *site, const char *path, const void *bytes, size_t len)
{
    char *full = mem_string(span_str(site_path(site, path)));

    for (char *slash = strchr(full + strlen(site->root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    if (full[strlen(full) - 1] != '/') {
        int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, len), len);
        close(fd);
    }
    free(full);
}

void site_text(struct site *site, const char *path, const char *text)
{
    site_write(site, path, text, strlen(text));
}

void site_touch(struct site *site, const char *path, long seconds)
{
    struct stat st;

    assert_int_equal(stat(site_path(site, path), &st), 0);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    times[1].tv_sec += seconds;
    assert_int_equal(utimensat(AT_FDCWD, site_path(site, path), times, 0), 0);
}

static void fill_request(struct http_exchange *x, const char *method, const char *target)
{
    struct http_request *request = &x->request;
    const char *query = strchr(target, '?');

    request->method_text = span_str(method);
    request->method = http_method_of(request->method_text);
    request->version = HTTP_1_1;
    request->scheme = SPAN("https");
    request->host = request->authority = SPAN("example.com");
    request->target = span_str(target);
    request->path = query ? span_of(target, (size_t)(query - target)) : request->target;
    request->query = query ? span_str(query + 1) : (struct span){NULL, 0};
    request->content_length = -1;
}

struct answer site_begin(struct site *site, const char *method, const char *target, ...)
{
    struct http_exchange *x = http_exchange_take(site->pool);
    va_list args;

    if (!site->files) {
        const uint64_t secret[2] = {1, 2};
        assert_int_equal(files_create(&site->settings, site->root_fd, secret, &site->files), 0);
    }
    site_adopt(site, x);
    fill_request(x, method, target);
    va_start(args, target);
    for (const char *name; (name = va_arg(args, const char *));)
        assert_int_equal(http_add(&x->arena, &x->request.fields, span_str(name),
                                  span_str(va_arg(args, const char *))),
                         0);
    va_end(args);
    site->context.wall = nsec_realtime() + site->wall_ahead;
    site->responses = 0;
    files_answer(site->files, x, &site->context, site->now);
    assert_int_equal(site->responses, 1);
    return (struct answer){
        .x = x, .status = x->response.status, .content_length = x->response.content_length};
}

void site_drain(struct site *site, struct answer *answer)
{
    struct buffer bytes = buffer_make(256 << 20);
    struct http_body *body = answer->x->body;

    while (body) {
        assert_int_equal(buffer_reserve(&bytes, site->chunk), 0);
        answer->end = body->read(body, bytes.data + bytes.len, site->chunk);
        if (answer->end <= 0)
            break;
        assert_true((size_t)answer->end <= site->chunk);
        bytes.len += (size_t)answer->end;
    }
    assert_int_equal(buffer_append(&bytes, "", 1), 0);
    answer->bytes = bytes.data;
    answer->len = bytes.len - 1;
    /* The promise: what was announced is what came, or the body said that it failed. */
    if (body && answer->content_length >= 0 && answer->end == 0)
        assert_int_equal(answer->len, answer->content_length);
}

void site_close_answer(struct site *site, struct answer *answer)
{
    struct http_body *body = answer->x->body;

    if (body && body->close)
        body->close(body);
    answer->x->body = NULL;
    http_exchange_give(site->pool, answer->x);
    free(answer->bytes);
}

const char *answer_field(const struct answer *answer, const char *name)
{
    static char text[4][1024];
    static unsigned turn;
    struct span value = http_value(&answer->x->response.fields, span_str(name));
    char *out = text[turn++ % 4];

    if (!value.ptr)
        return NULL;
    snprintf(out, sizeof text[0], "%.*s", SPAN_ARGS(value));
    return out;
}
