/* The folder, the engine and the exchanges of the tests of static files. What is expected of the
 * answers stands in the tests. */
#include "files_folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/serve.h"

static void respond(struct http_exchange *x)
{
    ((struct folder *)x->stream)->responses++;
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

static void wake(struct request_source *source)
{
}

/* One site whose only route leads to the folder. */
static void make_server(struct folder *folder)
{
    static const uint64_t secret[2] = {1, 2};

    assert_int_equal(loop_create(&folder->loop), 0);
    assert_int_equal(protect_shared_create(1, 65536, &folder->shared), 0);
    struct server_options options = {.loop = folder->loop, .shared = folder->shared};
    assert_int_equal(server_create(&options, &folder->server), 0);
    folder->sites = sites_create(1, secret);
    folder->sites->fallback = &folder->sites->items[0];
    folder->sites->fallback->main_name = mem_string(SPAN("example.com"));
    assert_int_equal(server_apply(folder->server, folder->sites, NULL, 0), 0);
    folder->source =
        (struct request_source){.server = folder->server, .client.secure = true, .wake = wake};
}

/* The files are made by the first request, when the settings are known. */
static void make_files(struct folder *folder)
{
    const uint64_t secret[2] = {1, 2};
    struct site *site = &folder->sites->items[0];

    assert_int_equal(files_create(&folder->settings, folder->root_fd, secret, &folder->files), 0);
    site->pages = folder->files;
    struct route *route = site_add_route(site, SPAN("/"));
    route->handler = &files_handler;
    route->config = route->pages = folder->files;
}

void folder_forget(struct folder *folder)
{
    struct site *site = &folder->sites->items[0];

    routes_finish(site->routes, site->route_count);
    if (site->route_count)
        free((char *)(uintptr_t)site->routes[0].path.ptr);
    site->route_count = 0;
    site->pages = folder->files = NULL;
}

struct folder *folder_create(void)
{
    struct folder *folder = mem_new(struct folder);

    strcpy(folder->root, "/tmp/gardien-files-XXXXXX");
    assert_non_null(mkdtemp(folder->root));
    folder->root_fd = open(folder->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder->root_fd >= 0);
    folder->settings = (struct files_settings){
        .root = folder->root,
        .index = {index_names, 2},
        .precompressed = true,
        .compress = {true, {coding_names, ARRAY_SIZE(coding_names)}, 1024, 10 << 20, 1, 16},
        .cache = {256 << 10, 64 << 20, 100 * NSEC_PER_MSEC},
    };
    make_server(folder);
    folder->pool = http_pool_create(1 << 20);
    folder->now = 1000 * NSEC_PER_SEC;
    folder->chunk = 32 << 10;
    return folder;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void folder_destroy(struct folder *folder)
{
    folder->sites->items[0].headers.items = NULL;
    folder->sites->items[0].headers.count = 0;
    server_destroy(folder->server);
    loop_destroy(folder->loop);
    protect_shared_destroy(folder->shared);
    http_pool_destroy(folder->pool);
    close(folder->root_fd);
    nftw(folder->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

void folder_adopt(struct folder *folder, struct http_exchange *x)
{
    x->ops = &ops;
    x->stream = folder;
}

const char *folder_path(const struct folder *folder, const char *path)
{
    static char text[8192];

    snprintf(text, sizeof text, "%s%s", folder->root, path);
    return text;
}

void folder_write(struct folder *folder, const char *path, const void *bytes, size_t len)
{
    char *full = mem_string(span_str(folder_path(folder, path)));

    for (char *slash = strchr(full + strlen(folder->root) + 1, '/'); slash;
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

void folder_text(struct folder *folder, const char *path, const char *text)
{
    folder_write(folder, path, text, strlen(text));
}

void folder_touch(struct folder *folder, const char *path, long seconds)
{
    struct stat st;

    assert_int_equal(stat(folder_path(folder, path), &st), 0);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    times[1].tv_sec += seconds;
    assert_int_equal(utimensat(AT_FDCWD, folder_path(folder, path), times, 0), 0);
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

struct request *folder_answer(struct folder *folder, struct http_exchange *x)
{
    struct request *r = request_begin(&folder->source, x);

    assert_non_null(r);
    if (r->path.ptr)
        files_answer(folder->files, r, folder->now, nsec_realtime() + folder->wall_ahead);
    else
        request_fail(r, 400, "the path is malformed");
    folder->reason = r->reason;
    folder->error = r->error;
    return r;
}

struct answer folder_begin(struct folder *folder, const char *method, const char *target, ...)
{
    struct http_exchange *x = http_exchange_take(folder->pool);
    va_list args;

    if (!folder->files)
        make_files(folder);
    folder->sites->items[0].headers.items = (struct header_rule *)(uintptr_t)folder->rules;
    folder->sites->items[0].headers.count = folder->rule_count;
    folder_adopt(folder, x);
    fill_request(x, method, target);
    va_start(args, target);
    for (const char *name; (name = va_arg(args, const char *));)
        assert_int_equal(http_add(&x->arena, &x->request.fields, span_str(name),
                                  span_str(va_arg(args, const char *))),
                         0);
    va_end(args);
    folder->responses = 0;
    folder_answer(folder, x);
    assert_int_equal(folder->responses, 1);
    return (struct answer){
        .x = x, .status = x->response.status, .content_length = x->response.content_length};
}

void folder_drain(struct folder *folder, struct answer *answer)
{
    struct buffer bytes = buffer_make(256 << 20);
    struct http_body *body = answer->x->body;

    while (body) {
        assert_int_equal(buffer_reserve(&bytes, folder->chunk), 0);
        answer->end = body->read(body, bytes.data + bytes.len, folder->chunk);
        if (answer->end <= 0)
            break;
        assert_true((size_t)answer->end <= folder->chunk);
        bytes.len += (size_t)answer->end;
    }
    assert_int_equal(buffer_append(&bytes, "", 1), 0);
    answer->bytes = bytes.data;
    answer->len = bytes.len - 1;
    /* The promise: what was announced is what came, or the body said that it failed. */
    if (body && answer->content_length >= 0 && answer->end == 0)
        assert_int_equal(answer->len, answer->content_length);
}

void folder_close_answer(struct folder *folder, struct answer *answer)
{
    struct http_body *body = answer->x->body;

    if (body && body->close)
        body->close(body);
    answer->x->body = NULL;
    request_on_close(&folder->source, answer->x, HTTP_END_DONE);
    http_exchange_give(folder->pool, answer->x);
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
