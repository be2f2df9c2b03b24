/* Opening of listening sockets with reuse of those already open. The words for what fails are
 * endpoint_trouble()'s. */
#include "app/endpoints.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/listeners.h"
#include "os/process.h"
#include "os/self.h"
#include "quic/quic.h"

/* ---- sockets ---- */

static struct endpoint_socket *socket_new(struct endpoints *endpoints, int fd)
{
    struct endpoint_socket *s = mem_new(struct endpoint_socket);

    s->references = 1;
    s->id = ++endpoints->next_id;
    s->fd = fd;
    return s;
}

static void socket_unref(struct endpoint_socket *s)
{
    if (--s->references)
        return;
    close(s->fd);
    free(s);
}

static void endpoint_add_socket(struct endpoint *endpoint, struct endpoint_socket *s)
{
    endpoint->sockets =
        mem_resize(endpoint->sockets, endpoint->socket_count + 1, sizeof(struct endpoint_socket *));
    endpoint->sockets[endpoint->socket_count++] = s;
}

static struct endpoint *endpoints_add(struct endpoints *endpoints, const char *text, bool secure)
{
    endpoints->items = mem_resize(endpoints->items, endpoints->count + 1, sizeof *endpoints->items);
    struct endpoint *endpoint = &endpoints->items[endpoints->count++];
    *endpoint = (struct endpoint){.text = mem_string(span_str(text)), .secure = secure};
    return endpoint;
}

const char *endpoint_kind(const struct endpoint *endpoint)
{
    return endpoint->datagrams ? "http3" : endpoint->secure ? "https" : "http";
}

static void endpoint_finish(struct endpoint *endpoint)
{
    for (size_t s = 0; s < endpoint->socket_count; s++)
        socket_unref(endpoint->sockets[s]);
    free(endpoint->sockets);
    free(endpoint->text);
}

void endpoints_finish(struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++)
        endpoint_finish(&endpoints->items[i]);
    free(endpoints->items);
    endpoints->items = NULL;
    endpoints->count = 0;
}

/* ---- words for what fails ---- */

/* A port that is free now, as options of the command line have it, or as `make run` takes it; for
 * free(). */
static char *other_port(bool secure)
{
    static const uint16_t ports[2][6] = {{8080, 8081, 9080, 18080, 28080, 38080},
                                         {8443, 9443, 10443, 18443, 28443, 38443}};
    bool made = getenv("GARDIEN_MAKE_RUN") != NULL;
    struct socket_address address;
    char text[8];

    for (size_t i = 0; i < ARRAY_SIZE(ports[0]); i++) {
        snprintf(text, sizeof text, ":%u", ports[secure][i]);
        if (socket_address_parse(text, &address) == 0 && socket_probe(&address) == 0)
            return made ? mem_format("make run %s=%s", secure ? "HTTPS" : "HTTP", text)
                        : mem_format("--%s %s", secure ? "https" : "http", text);
    }
    return mem_format("--%s :PORT", secure ? "https" : "http");
}

static void explain_taken(struct diag *diag, uint16_t port, bool secure)
{
    scoped(mem_release) char *other = other_port(secure);
    struct listeners found;
    const struct listener *first = NULL;
    char address[80];

    listeners_look(&port, 1, 0, &found);
    for (size_t i = 0; i < found.count && !first; i++)
        if (found.items[i].socket.protocol == IPPROTO_TCP)
            first = &found.items[i];
    if (first && first->holder_count)
        diag_hint(diag, "the program %s (pid %d) listens on %s: stop it, or take another port: %s",
                  first->holders[0].program, (int)first->holders[0].pid,
                  sockdiag_text(&first->socket, address), other);
    else if (first)
        diag_hint(diag,
                  "a program of user %u listens on %s (root sees which: gardien status %u/tcp); "
                  "stop it, or take another port: %s",
                  (unsigned)first->socket.uid, sockdiag_text(&first->socket, address),
                  (unsigned)port, other);
    else
        diag_hint(diag, "take another port: %s", other);
    listeners_finish(&found);
}

static void explain_forbidden(struct diag *diag, bool secure)
{
    scoped(mem_release) char *program = self_program();

    diag_hint(diag,
              "one of three ways: run it as root; allow this program low ports with "
              "`setcap cap_net_bind_service=+ep %s`; or take a high port with %s",
              program ? program : "PROGRAM", secure ? "--https :8443" : "--http :8080");
}

static void endpoint_trouble(struct diags *diags, const struct endpoint *endpoint, int error)
{
    const char *kind = endpoint->datagrams ? "HTTP/3 (UDP)" : endpoint->secure ? "HTTPS" : "HTTP";

    if (error == -EADDRINUSE) {
        struct diag *diag =
            diags_add(diags, "cannot listen on %s for %s: the port is taken", endpoint->text, kind);
        explain_taken(diag, socket_address_port(&endpoint->address), endpoint->secure);
    } else if (error == -EACCES || error == -EPERM) {
        struct diag *diag =
            diags_add(diags,
                      "cannot listen on %s for %s: ports below 1024 need a right that we do "
                      "not have",
                      endpoint->text, kind);
        explain_forbidden(diag, endpoint->secure);
    } else if (error == -EADDRNOTAVAIL) {
        diag_hint(diags_add(diags, "cannot listen on %s for %s: this machine has no such address",
                            endpoint->text, kind),
                  "`ip address` shows those that it has; \":%u\" stands for all of them",
                  (unsigned)socket_address_port(&endpoint->address));
    } else {
        (void)process_hint_descriptors(diags_add(diags, "cannot listen on %s for %s: %s",
                                                 endpoint->text, kind, error_text(error)),
                                       error);
    }
}

/* ---- opening ---- */

static struct endpoint *find_old(struct endpoints *old, const struct socket_address *wanted,
                                 bool datagrams)
{
    for (size_t i = 0; i < old->count; i++)
        if (old->items[i].datagrams == datagrams &&
            socket_address_equal(&old->items[i].address, wanted))
            return &old->items[i];
    return NULL;
}

/* Sockets of an address that stays. Where their meaning changed they get new ids, so that workers
 * look at them afresh. */
static int reuse(struct endpoints *endpoints, struct endpoint *old, struct endpoint *endpoint)
{
    bool same = old->datagrams == endpoint->datagrams && old->secure == endpoint->secure &&
                old->proxy_protocol == endpoint->proxy_protocol;

    endpoint->shared = old->shared;
    old->used = true;
    for (size_t i = 0; i < old->socket_count; i++) {
        if (same) {
            old->sockets[i]->references++;
            endpoint_add_socket(endpoint, old->sockets[i]);
            continue;
        }
        int fd = fcntl(old->sockets[i]->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return -errno;
        endpoint_add_socket(endpoint, socket_new(endpoints, fd));
    }
    return 0;
}

/* Is the port ours already, at another address, which may be about to go? */
static bool has_port(const struct endpoints *old, uint16_t port, bool datagrams)
{
    for (size_t i = 0; i < old->count; i++)
        if (old->items[i].datagrams == datagrams &&
            socket_address_port(&old->items[i].address) == port)
            return true;
    return false;
}

/* The manager may have made one socket for each family where the settings name no host. */
static int reuse_families(struct endpoints *endpoints, struct endpoints *old,
                          struct endpoint *endpoint)
{
    static const char *const hosts[] = {"0.0.0.0", "[::]"}, *const only[] = {"IPv6", "IPv4"};
    unsigned found = 0;
    int r = 0;

    for (size_t i = 0; r >= 0 && endpoint->address.any && i < ARRAY_SIZE(hosts); i++) {
        char text[24];
        struct socket_address address;
        snprintf(text, sizeof text, "%s:%u", hosts[i], socket_address_port(&endpoint->address));
        struct endpoint *before =
            socket_address_parse(text, &address) < 0 ? NULL : find_old(old, &address, false);
        if (!before || !before->shared)
            continue;
        r = reuse(endpoints, before, endpoint);
        found |= 1U << i;
    }
    if (found == 1 || found == 2)
        endpoint->only = only[found == 1];
    return r;
}

static int open_endpoint(struct endpoints *endpoints, struct endpoints *old,
                         struct endpoint *endpoint, unsigned workers)
{
    struct endpoint *before = find_old(old, &endpoint->address, endpoint->datagrams);

    int r = before ? reuse(endpoints, before, endpoint) : reuse_families(endpoints, old, endpoint);
    /* SO_REUSEPORT would let us in beside another server of the same user: look first. */
    if (r >= 0 && !endpoint->socket_count &&
        !has_port(old, socket_address_port(&endpoint->address), false))
        r = socket_probe(&endpoint->address);
    while (r >= 0 && !endpoint->shared && endpoint->socket_count < workers) {
        r = socket_listen(&endpoint->address);
        if (r >= 0)
            endpoint_add_socket(endpoint, socket_new(endpoints, r));
    }
    return r < 0 ? r : 0;
}

static int open_datagrams(struct endpoints *endpoints, struct endpoints *old,
                          struct endpoint *endpoint, unsigned workers)
{
    struct endpoint *before = find_old(old, &endpoint->address, true);
    size_t wanted = UDP_GENERATIONS * (size_t)(workers < UDP_SLOTS ? workers : UDP_SLOTS);

    int r = before ? reuse(endpoints, before, endpoint) : 0;
    if (!before && !has_port(old, socket_address_port(&endpoint->address), true))
        r = socket_probe_datagrams(&endpoint->address);
    while (r >= 0 && endpoint->socket_count < wanted) {
        r = socket_datagrams(&endpoint->address);
        if (r >= 0)
            endpoint_add_socket(endpoint, socket_new(endpoints, r));
    }
    return r < 0 ? r : 0;
}

/* UDP beside an address for HTTPS. With `auto` it is done without. */
static int add_datagrams(struct endpoints *fresh, struct endpoints *old, size_t beside,
                         const struct settings *settings, struct diags *diags)
{
    struct endpoint *secure = &fresh->items[beside];
    struct socket_address address = secure->address;

    if (!HAVE_HTTP3 || settings->listen.http3 == HTTP3_OFF || secure->proxy_protocol)
        return 0;
    struct endpoint *endpoint = endpoints_add(fresh, secure->text, true);
    endpoint->datagrams = true;
    endpoint->address = address;
    int r = open_datagrams(fresh, old, endpoint, settings_workers(settings));
    if (r >= 0)
        return 0;
    if (settings->listen.http3 == HTTP3_ON) {
        endpoint_trouble(diags, endpoint, r);
        return r;
    }
    struct diag *diag =
        diags_add(diags, "going on without HTTP/3 on %s: %s", endpoint->text, error_text(r));
    diag->warning = true;
    endpoint_finish(endpoint);
    fresh->count--;
    return 0;
}

int endpoints_steer(const struct endpoints *endpoints, const uint8_t *generations, unsigned slots)
{
    uint8_t first[UDP_SLOTS];
    int r = 0;

    if (slots > UDP_SLOTS)
        slots = UDP_SLOTS;
    struct socket_steering steering = {.cid_len = QUIC_CID_LEN,
                                       .marks = {QUIC_CID_MARK, QUIC_CID_MARK_2},
                                       .first = first,
                                       .count = slots};
    for (unsigned slot = 0; slot < slots; slot++)
        first[slot] = (uint8_t)(slot * UDP_GENERATIONS + generations[slot]);
    for (size_t i = 0; r >= 0 && i < endpoints->count; i++) {
        const struct endpoint *endpoint = &endpoints->items[i];
        steering.sockets = (unsigned)endpoint->socket_count;
        if (endpoint->datagrams && endpoint->socket_count)
            r = socket_steer(endpoint->sockets[0]->fd, &steering);
    }
    return r;
}

/* A socket of the manager that no setting uses: the kernel would go on taking its connections. */
static int refuse_unused(const struct endpoints *old, struct diags *diags)
{
    int r = 0;

    for (size_t i = 0; i < old->count; i++) {
        const struct endpoint *endpoint = &old->items[i];
        if (!endpoint->shared || endpoint->used)
            continue;
        r = ERR_SETTINGS;
        diag_hint(diags_add(diags,
                            "the service manager passed a socket for %s, which no address of "
                            "`listen` uses: its connections would hang",
                            endpoint->text),
                  "name it under `listen`, or change ListenStream= of the socket unit "
                  "(systemctl edit gardien.socket)");
    }
    return r;
}

static bool speaks_proxy(const struct settings *settings, const struct socket_address *address)
{
    const struct config_strings *on = &settings->listen.proxy_protocol.on;
    struct socket_address other;

    for (size_t i = 0; i < on->count; i++)
        if (socket_address_parse(on->items[i], &other) == 0 &&
            socket_address_equal(&other, address))
            return true;
    return false;
}

int endpoints_open(struct endpoints *old, const struct settings *settings, unsigned workers,
                   struct diags *diags, struct endpoints *ret_new)
{
    const struct config_strings *lists[] = {&settings->listen.https, &settings->listen.http};
    struct endpoints fresh = {.next_id = old->next_id};
    int result = 0;

    for (size_t i = 0; i < old->count; i++)
        old->items[i].used = false;
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            struct endpoint *endpoint = endpoints_add(&fresh, lists[l]->items[i], l == 0);
            int r = socket_address_parse(endpoint->text, &endpoint->address);
            endpoint->proxy_protocol = r >= 0 && speaks_proxy(settings, &endpoint->address);
            if (r >= 0)
                r = open_endpoint(&fresh, old, endpoint, workers);
            if (r < 0)
                endpoint_trouble(diags, endpoint, r);
            else if (l == 0)
                r = add_datagrams(&fresh, old, fresh.count - 1, settings, diags);
            if (r < 0 && result == 0)
                result = r;
        }
    if (result == 0)
        result = refuse_unused(old, diags);
    if (result < 0)
        endpoints_finish(&fresh);
    else
        *ret_new = fresh;
    return result;
}

/* ---- sockets from elsewhere ---- */

static char *address_text(const struct socket_address *address)
{
    const struct sockaddr_storage *storage = &address->storage;
    const struct sockaddr_in *in = (const struct sockaddr_in *)storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)storage;
    char host[INET6_ADDRSTRLEN] = "";
    unsigned port = socket_address_port(address);

    if (storage->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        return mem_format("%s:%u", host, port);
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    return address->any ? mem_format(":%u", port) : mem_format("[%s]:%u", host, port);
}

int endpoints_adopt_activation(struct endpoints *endpoints, int count, struct diags *diags)
{
    int result = 0;

    for (int fd = 3; fd < 3 + count; fd++) {
        struct socket_address address;
        if (socket_listening_address(fd, &address) < 0) {
            diag_hint(diags_add(diags,
                                "descriptor %d of the service manager is no listening TCP socket",
                                fd),
                      "only ListenStream= with a port is for gardien, with Accept=no");
            result = ERR_SETTINGS;
            continue;
        }
        struct endpoint *endpoint =
            find_old(endpoints, &address, false); /* one more of ReusePort= */
        if (!endpoint) {
            scoped(mem_release) char *text = address_text(&address);
            endpoint = endpoints_add(endpoints, text, true);
            endpoint->address = address;
            endpoint->shared = true;
        }
        socket_prepare(fd);
        endpoint_add_socket(endpoint, socket_new(endpoints, fd));
    }
    return result;
}

json_t *endpoints_to_json(const struct endpoints *endpoints)
{
    json_t *list = json_array();

    for (size_t i = 0; i < endpoints->count; i++) {
        const struct endpoint *endpoint = &endpoints->items[i];
        json_t *fds = json_array();
        for (size_t s = 0; s < endpoint->socket_count; s++)
            json_array_append_new(fds, json_integer(endpoint->sockets[s]->fd));
        json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:b, s:b, s:o}", "address",
                                              endpoint->text, "datagrams", endpoint->datagrams,
                                              "secure", endpoint->secure, "proxy_protocol",
                                              endpoint->proxy_protocol, "shared", endpoint->shared,
                                              "fds", fds));
    }
    return list;
}

int endpoints_from_json(const json_t *json, struct endpoints *ret_endpoints)
{
    struct endpoints endpoints = {NULL};
    size_t at, fd_at;
    json_t *item, *fd;

    json_array_foreach((json_t *)(uintptr_t)json, at, item)
    {
        const char *text = json_string_value(json_object_get(item, "address"));
        struct socket_address address;
        if (!text || socket_address_parse(text, &address) < 0) {
            endpoints_finish(&endpoints);
            return ERR_PROTOCOL;
        }
        struct endpoint *endpoint =
            endpoints_add(&endpoints, text, json_is_true(json_object_get(item, "secure")));
        endpoint->address = address;
        endpoint->datagrams = json_is_true(json_object_get(item, "datagrams"));
        endpoint->proxy_protocol = json_is_true(json_object_get(item, "proxy_protocol"));
        endpoint->shared = json_is_true(json_object_get(item, "shared"));
        json_array_foreach(json_object_get(item, "fds"), fd_at, fd)
        {
            int number = (int)json_integer_value(fd);
            if (number >= 3 && fcntl(number, F_SETFD, FD_CLOEXEC) == 0)
                endpoint_add_socket(endpoint, socket_new(&endpoints, number));
        }
    }
    *ret_endpoints = endpoints;
    return 0;
}
