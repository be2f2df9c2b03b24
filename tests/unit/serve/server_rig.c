/* The server's thread, its sites and the clients of the tests of the server. What is expected
 * stands in the tests. */
#include "server_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tls/peer_support.h"
#include "base/mem.h"

static const uint64_t secret[2] = {1, 2};

char big_byte(size_t offset)
{
    return (char)(offset * 31 >> 3);
}

/* ---- files and sites ---- */

static void write_file(struct rig *rig, const char *name, size_t len)
{
    int dir = open(rig->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    char *bytes = mem_alloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = big_byte(i);
    assert_int_equal(write(fd, bytes, len), len);
    free(bytes);
    close(fd);
    close(dir);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void release_backing(void *backing)
{
    struct rig *rig = backing;

    rig->snapshots_freed++;
}

static void fill_site(struct rig *rig, struct site *site, const char *name)
{
    static const struct files_settings files = {.cache = {256 << 10, 16 << 20, NSEC_PER_SEC}};
    struct tls_settings settings = {.strict_sni = rig->strict};
    struct tls_certificate certificate = {span_str(rig->pem), rig->key};

    site->main_name = mem_string(span_str(name));
    assert_int_equal(files_create(&files, rig->root_fd, secret, &site->pages), 0);
    struct route *root = site_add_route(site, SPAN("/"));
    root->handler = &files_handler;
    root->config = root->pages = site->pages;
    struct route *challenge = site_add_route(site, SPAN("/.well-known/acme-challenge/"));
    challenge->handler = &challenge_files_handler;
    challenge->config = challenge->pages = site->pages;
    challenge->plain = true;
    routes_sort(site->routes, site->route_count);
    assert_int_equal(tls_context_create(&settings, rig->library, &certificate, 1, &site->tls), 0);
}

static struct sites *make_sites(struct rig *rig)
{
    struct sites *sites = sites_create(2, secret);
    char *networks[] = {(char *)(uintptr_t)rig->trusted};
    struct config_strings trusted = {networks, 1};
    size_t bad;

    sites->limits = rig->limits;
    limits_http(&rig->limits, &sites->http_limits);
    sites->body_max = sites->http_limits.body_bytes;
    sites->https_port = rig->ports[RIG_HTTPS];
    sites->strict = rig->strict;
    sites->backing = rig;
    sites->release_backing = release_backing;
    assert_int_equal(proxy_trust_create(&trusted, &sites->proxy_trust, &bad), 0);
    fill_site(rig, &sites->items[0], "localhost");
    fill_site(rig, &sites->items[1], "*.wild.test");
    sites->items[0].redirect_to_main = true;
    if (rig->add_routes) {
        rig->add_routes(&sites->items[0]);
        routes_sort(sites->items[0].routes, sites->items[0].route_count);
    }
    sites->fallback = &sites->items[0];
    assert_int_equal(sites_name(sites, SPAN("localhost"), &sites->items[0]), 0);
    assert_int_equal(sites_name(sites, SPAN("www.localhost"), &sites->items[0]), 0);
    assert_int_equal(sites_name(sites, SPAN("*.wild.test"), &sites->items[1]), 0);
    return sites;
}

/* ---- the server's thread ---- */

static void on_command(struct loop_watch *watch, unsigned events)
{
    struct rig *rig = container_of(watch, struct rig, watch);
    void (*function)(struct rig * rig);
    char done = 0;

    assert_int_equal(read(watch->fd, &function, sizeof function), sizeof function);
    function(rig);
    assert_int_equal(write(watch->fd, &done, 1), 1);
}

static void *run(void *context)
{
    struct rig *rig = context;

    assert_int_equal(loop_run(rig->loop), 0);
    return NULL;
}

void rig_do(struct rig *rig, void (*function)(struct rig *rig))
{
    char done;

    assert_int_equal(write(rig->commands[1], &function, sizeof function), sizeof function);
    assert_int_equal(read(rig->commands[1], &done, 1), 1);
}

static int make_listener(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

void rig_swap(struct rig *rig)
{
    struct server_listener listeners[RIG_LISTENERS];
    struct tls_settings settings = {.strict_sni = rig->strict};
    struct tls_context *context;

    for (size_t i = 0; i < RIG_LISTENERS; i++) {
        int fd =
            rig->ports[i] ? open("/dev/null", O_RDONLY | O_CLOEXEC) : make_listener(&rig->ports[i]);
        listeners[i] = (struct server_listener){
            i + 1, fd, i != RIG_HTTP, i == RIG_PROXY, rig->ports[i],
        };
    }
    assert_int_equal(tls_context_create(&settings, rig->library, NULL, 0, &context), 0);
    server_set_tls(rig->server, context);
    assert_int_equal(server_apply(rig->server, make_sites(rig), listeners, RIG_LISTENERS), 0);
}

static void on_drained(void *context)
{
    struct rig *rig = context;

    rig->drained = true;
}

void rig_drain(struct rig *rig)
{
    server_drain(rig->server, on_drained, rig);
}

static void stop(struct rig *rig)
{
    loop_stop(rig->loop);
}

void rig_init(struct rig *rig)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    *rig = (struct rig){.trusted = "127.0.0.0/8", .watch.on_event = on_command};
    rig->limits = (struct limits_settings){
        .header_size = 32 << 10,
        .header_count = 100,
        .uri_length = 8 << 10,
        .body_size = 1 << 20,
        .handshake_timeout = 5 * NSEC_PER_SEC,
        .keep_alive = 5 * NSEC_PER_SEC,
        .header_timeout = 5 * NSEC_PER_SEC,
        .header_timeout_max = 10 * NSEC_PER_SEC,
        .header_rate = 500,
        .body_timeout = 5 * NSEC_PER_SEC,
        .response_timeout = 5 * NSEC_PER_SEC,
        .response_rate = 500,
        .h2_streams = 100,
        .h2_resets = 100,
        .h2_settings = 100,
        .h2_pings = 100,
        .h2_empty_frames = 100,
        .h2_continuations = 8,
        .h2_window = 1 << 16,
    };
}

static void make_world(struct rig *rig)
{
    strcpy(rig->root, "/tmp/gardien-server-XXXXXX");
    assert_non_null(mkdtemp(rig->root));
    write_file(rig, "small", 100);
    write_file(rig, "big", BIG_SIZE);
    rig->root_fd = open(rig->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    make_certificate("EC", "localhost", &rig->key, &rig->pem);
    rig->client = SSL_CTX_new(TLS_client_method());
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, rig->commands), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, rig->log_fds), 0);
}

void rig_start(struct rig *rig)
{
    static const unsigned char tickets[1][TLS_TICKET_KEY_SIZE] = {{1}};

    make_world(rig);
    assert_int_equal(loop_create(&rig->loop), 0);
    assert_int_equal(tls_library_create(&rig->library), 0);
    tls_library_set_tickets(rig->library, tickets, 1);
    assert_int_equal(protect_shared_create(1, 65536, &rig->shared), 0);
    struct server_options options = {.loop = rig->loop, .shared = rig->shared};
    assert_int_equal(server_create(&options, &rig->server), 0);
    rig->access_log = access_log_create(ACCESS_JSON, rig->log_fds[0]);
    server_set_access_log(rig->server, rig->access_log);
    rig_swap(rig);
    rig->watch.fd = rig->commands[0];
    assert_int_equal(loop_add(rig->loop, &rig->watch, LOOP_LEVEL), 0);
    assert_int_equal(pthread_create(&rig->thread, NULL, run, rig), 0);
}

void rig_stop(struct rig *rig)
{
    rig_do(rig, stop);
    pthread_join(rig->thread, NULL);
    server_destroy(rig->server);
    access_log_destroy(rig->access_log);
    tls_library_destroy(rig->library);
    loop_destroy(rig->loop);
    SSL_CTX_free(rig->client);
    EVP_PKEY_free(rig->key);
    free(rig->pem);
    protect_shared_destroy(rig->shared);
    for (int i = 0; i < 2; i++) {
        close(rig->commands[i]);
        close(rig->log_fds[i]);
    }
    close(rig->root_fd);
    nftw(rig->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *rig_log_line(struct rig *rig)
{
    static char line[64 << 10];
    struct pollfd wait = {.fd = rig->log_fds[1], .events = POLLIN};

    if (poll(&wait, 1, 5000) != 1)
        return "";
    ssize_t len = recv(rig->log_fds[1], line, sizeof line - 1, 0);
    line[len > 0 ? len : 0] = '\0';
    return line;
}

static struct server_counts counts_read;

static void read_counts(struct rig *rig)
{
    server_counts(rig->server, &counts_read);
}

struct server_counts rig_counts(struct rig *rig)
{
    rig_do(rig, read_counts);
    return counts_read;
}

/* ---- clients ---- */

struct caller client_open(struct rig *rig, enum rig_listener listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct timeval patience = {.tv_sec = 5};
    struct caller client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    address.sin_port = htons(rig->ports[listener]);
    setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

void client_tls(struct rig *rig, struct caller *client, const char *alpn)
{
    client->ssl = SSL_new(rig->client);
    if (alpn)
        SSL_set_alpn_protos(client->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_tlsext_host_name(client->ssl, "localhost");
    SSL_set_fd(client->ssl, client->fd);
    assert_int_equal(SSL_connect(client->ssl), 1);
}

struct caller client_https(struct rig *rig)
{
    struct caller client = client_open(rig, RIG_HTTPS);

    client_tls(rig, &client, NULL);
    return client;
}

void client_close(struct caller *client)
{
    SSL_free(client->ssl);
    close(client->fd);
}

void client_send(struct caller *client, const char *text)
{
    size_t len = strlen(text);

    if (client->ssl)
        assert_int_equal(SSL_write(client->ssl, text, (int)len), len);
    else
        assert_int_equal(send(client->fd, text, len, MSG_NOSIGNAL), len);
}

ssize_t client_read(struct caller *client, char *out, size_t cap)
{
    if (!client->ssl)
        return recv(client->fd, out, cap, 0);
    int n = SSL_read(client->ssl, out, (int)cap);
    if (n > 0)
        return n;
    return SSL_get_error(client->ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

/* Byte by byte, so that nothing of what follows is taken away. */
static void read_head(struct caller *client, char *head, size_t cap)
{
    size_t len = 0;

    do {
        assert_true(len < cap - 1);
        assert_int_equal(client_read(client, head + len, 1), 1);
        head[++len] = '\0';
    } while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0);
}

const char *client_answer(struct caller *client, size_t *ret_body_len)
{
    static char head[32 << 10], bytes[64 << 10];
    size_t done = 0;

    read_head(client, head, sizeof head);
    const char *length = strstr(head, "content-length: ");
    size_t len = length ? strtoul(length + 16, NULL, 10) : 0;
    while (done < len) {
        size_t part = len - done < sizeof bytes ? len - done : sizeof bytes;
        ssize_t n = client_read(client, bytes, part);
        assert_true(n > 0);
        for (size_t i = 0; len == BIG_SIZE && i < (size_t)n; i++)
            if (bytes[i] != big_byte(done + i))
                fail_msg("byte %zu is wrong", done + i);
        done += (size_t)n;
    }
    *ret_body_len = len;
    return head;
}

int client_rest(struct caller *client, size_t *ret_len)
{
    static char bytes[64 << 10];
    ssize_t n;

    *ret_len = 0;
    while ((n = client_read(client, bytes, sizeof bytes)) > 0)
        *ret_len += (size_t)n;
    return (int)n;
}

int client_wait_for_end(struct caller *client)
{
    nsec_t began = nsec_monotonic();
    size_t len;

    (void)client_rest(client, &len);
    return (int)((nsec_monotonic() - began) / NSEC_PER_MSEC);
}
