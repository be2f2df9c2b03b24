/* Nanoseconds of the request pipeline for one GET of a small cached file: site, route, decision,
 * fields, and the copy of the body. Parsing, TLS and the kernel are not in it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/pool.h"
#include "serve/files/files.h"
#include "serve/serve.h"

enum { WARM_UP = 100000, ROUNDS = 5, REQUESTS = 1000000 };

struct field_text {
    const char *name;
    const char *value;
};

/* What a browser sends. */
static const struct field_text browser[] = {
    {"host", "example.com"},
    {"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
    {"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
    {"accept-language", "en-US,en;q=0.5"},
    {"accept-encoding", "gzip, deflate, br, zstd"},
    {"sec-fetch-dest", "document"},
    {"sec-fetch-mode", "navigate"},
    {"sec-fetch-site", "none"},
    {"upgrade-insecure-requests", "1"},
    {"priority", "u=0, i"},
};

static const struct header_rule site_rules[] = {
    {SPAN("strict-transport-security"), SPAN("max-age=86400"), HEADER_SET},
    {SPAN("x-content-type-options"), SPAN("nosniff"), HEADER_SET},
};

static void respond(struct http_exchange *x)
{
}

static const struct http_exchange_ops ops = {.respond = respond};

static void wake(struct request_source *source)
{
}

static uint64_t run(struct server *server, struct http_pool *pool, struct span path, unsigned count)
{
    struct http_field items[ARRAY_SIZE(browser)];
    struct request_source source = {.server = server, .client.secure = true, .wake = wake};
    uint64_t bytes = 0;
    char out[32768];

    for (size_t i = 0; i < ARRAY_SIZE(browser); i++)
        items[i] = (struct http_field){span_str(browser[i].name), span_str(browser[i].value)};
    for (unsigned i = 0; i < count; i++) {
        struct http_exchange *x = http_exchange_take(pool);
        x->ops = &ops;
        x->request.method = HTTP_GET;
        x->request.host = SPAN("example.com");
        x->request.path = path;
        x->request.fields = (struct http_fields){items, ARRAY_SIZE(items), ARRAY_SIZE(items)};
        request_on_request(&source, x);
        for (ssize_t got; (got = x->body->read(x->body, out, sizeof out)) > 0;)
            bytes += (uint64_t)got;
        x->body->close(x->body);
        request_on_close(&source, x, HTTP_END_DONE);
        http_exchange_give(pool, x);
    }
    return bytes;
}

static void measure(struct server *server, struct http_pool *pool, const char *what,
                    const char *path)
{
    double best = 1e9;
    uint64_t bytes = run(server, pool, span_str(path), WARM_UP);

    for (int i = 0; i < ROUNDS; i++) {
        nsec_t start = nsec_monotonic();
        bytes = run(server, pool, span_str(path), REQUESTS);
        double each = (double)(nsec_monotonic() - start) / REQUESTS;
        best = each < best ? each : best;
    }
    printf("%-28s %7.1f ns a request, %llu bytes\n", what, best,
           (unsigned long long)(bytes / REQUESTS));
}

static void write_file(int root, const char *name, size_t size)
{
    char *bytes = malloc(size);
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    memset(bytes, 'x', size);
    for (size_t i = 0; i < size; i += 7)
        bytes[i] = (char)('a' + i % 23);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    close(fd);
    free(bytes);
}

/* One site whose only route leads to the folder. */
static struct server *make_server(struct loop *loop, const struct files_settings *settings, int fd)
{
    static const uint64_t secret[2] = {1, 2};
    const struct protect_rules_settings nothing = {0}, *levels[PROTECT_LEVELS] = {&nothing};
    struct server_options options = {.loop = loop};
    struct protect_shared *shared;
    struct sites *sites = sites_create(1, secret);
    struct site *site = sites->fallback = &sites->items[0];
    struct server *server;

    if (protect_shared_create(1, 65536, &shared) < 0)
        abort();
    options.shared = shared;
    if (server_create(&options, &server) < 0 ||
        files_create(settings, fd, secret, &site->pages) < 0)
        abort();
    struct route *route = site_add_route(site, SPAN("/"));
    route->handler = &files_handler;
    route->config = route->pages = site->pages;
    site->headers = (struct header_rules){(struct header_rule *)(uintptr_t)site_rules,
                                          ARRAY_SIZE(site_rules), 0};
    protect_rules_merge(levels, 1, false, &site->protect);
    protect_rules_merge(levels, 1, false, &route->protect);
    if (server_apply(server, sites, NULL, 0) < 0)
        abort();
    return server;
}

int main(void)
{
    char root[] = "/tmp/gardien-bench-XXXXXX";
    char *index[] = {(char *)"index.html"}, *codings[] = {(char *)"zstd", (char *)"br"};
    const struct files_settings settings = {
        .index = {index, 1},
        .compress = {true, {codings, 2}, 1024, 1 << 20, 0, 16},
        .cache = {256 << 10, 64 << 20, 100 * NSEC_PER_MSEC},
    };
    struct loop *loop;

    int fd = mkdtemp(root) ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || loop_create(&loop) < 0)
        return 1;
    struct server *server = make_server(loop, &settings, fd);
    write_file(fd, "small.bin", 1024);
    write_file(fd, "page.html", 16384);
    struct http_pool *pool = http_pool_create(1 << 20);
    measure(server, pool, "1 KiB", "/small.bin");
    measure(server, pool, "16 KiB, negotiated to zstd", "/page.html");
    measure(server, pool, "1 KiB, escaped path", "/x/../sm%61ll.bin");
    unlinkat(fd, "small.bin", 0);
    unlinkat(fd, "page.html", 0);
    close(fd);
    rmdir(root);
    return 0; /* the server goes with the process: its rules are constants */
}
