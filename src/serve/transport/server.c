/* Listeners, the set of connections, and the swap of snapshots. */
#include "serve/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/proxy/proxy.h"
#include "serve/request_body.h"
#include "serve/transport/connection.h"
#include "serve/transport/udp.h"

enum {
    ACCEPTS_PER_EVENT = 64,
    BACKLOG = 4096,        /* connections that a listener may hold for us */
    DESCRIPTORS_KEPT = 64, /* for files, logs and the guardian's messages */
    ARENA_CEILING = 512 * 1024,
};
#define ROUND_TIME (8 * NSEC_PER_MSEC)
#define ACCEPT_PAUSE (100 * NSEC_PER_MSEC)

static void refresh_date(struct server *server)
{
    server->wall = nsec_realtime();
    server->wall_read = loop_now(server->loop);
    http_date_format(server->wall / NSEC_PER_SEC, server->date);
}

nsec_t server_wall(const struct server *server)
{
    return server->wall + loop_now(server->loop) - server->wall_read;
}

bool server_may_complain(struct server *server)
{
    nsec_t now = loop_now(server->loop);

    if (server->complained && now < server->complained + 10 * NSEC_PER_SEC)
        return false;
    server->complained = now;
    return true;
}

/* Who is banned now keeps no connection that was there before. */
static void cut_banned(struct server *server, nsec_t now)
{
    uint64_t generation = ban_table_generation(server->bans.table);

    if (likely(generation == server->bans_seen))
        return;
    server->bans_seen = generation;
    list_for_each (c, next, &server->connections, struct connection, link)
        if (ban_table_find(server->bans.table, c->source.client.address, now))
            connection_cut(c, HTTP_END_SERVER);
}

static void on_second(struct loop_timer *timer, nsec_t now)
{
    struct server *server = container_of(timer, struct server, second);

    refresh_date(server);
    cut_banned(server, now);
    loop_timer_set(server->loop, timer, now + NSEC_PER_SEC - server->wall % NSEC_PER_SEC);
}

/* Connections that used up their turn go on, once each and for ROUND_TIME in all; what is left
 * undone comes up again in the next round, which then begins at once: those who have just come are
 * not kept waiting by many that have much to do. */
static void on_round(void *context)
{
    struct server *server = context;

    nsec_t began = nsec_coarse();

    if (server->options.proxy) /* requests that came go out, answers come in */
        proxy_round(server->options.proxy);
    for (size_t turns = server->connection_count; turns > 0 && !list_empty(&server->ready);
         turns--) {
        struct connection *c = list_first(&server->ready, struct connection, queue);
        list_remove(&c->queue);
        connection_drive(c);
        if (nsec_coarse() - began >= ROUND_TIME)
            break;
    }
    for (size_t turns = server->connection_count; turns > 0 && !list_empty(&server->feeds);
         turns--) {
        struct request *r = list_first(&server->feeds, struct request, feed);
        list_remove(&r->feed);
        request_body_feed(r);
    }
    udp_round(server);
    if (server->options.proxy) /* clients have made room for more of their answers */
        proxy_round(server->options.proxy);
    server_relieve(server);
    if (!list_empty(&server->ready) || !list_empty(&server->feeds))
        loop_hurry(server->loop);
    if (server->access_log)
        access_log_flush(server->access_log);
}

static size_t descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return 1 << 20;
    return limit.rlim_cur > 2 * DESCRIPTORS_KEPT ? limit.rlim_cur - DESCRIPTORS_KEPT
                                                 : limit.rlim_cur / 2;
}

static void on_accept_again(struct loop_timer *timer, nsec_t now);

static void add_policies(struct server *server)
{
    const struct protect_shared *shared = server->options.shared;
    void *const states[POLICIES] = {
        [POLICY_BANS] = &server->bans,
        [POLICY_RATES] = &server->rates,
        [POLICY_REQUESTS_AT_ONCE] = &server->at_once,
        [POLICY_ADDRESSES] = &server->notes,
        [POLICY_SECRETS] = &server->notes,
        [POLICY_CROSS_ORIGIN] = &server->notes,
        [POLICY_WAF] = server->waf,
        [POLICY_MALWARE] = &server->malware,
        [POLICY_ANSWERS] = &server->notes,
    };

    server->rates = (struct rates){&server->notes, shared->rates};
    server->bans = (struct bans){.notes = &server->notes,
                                 .table = shared->bans,
                                 .rates = shared->rates,
                                 .report = server->options.on_report,
                                 .context = server->options.context};
    server->at_once = (struct requests_at_once){
        .notes = &server->notes, .peers = shared->requests, .worker = server->options.worker};
    server->malware = (struct malware){.notes = &server->notes,
                                       .loop = server->loop,
                                       .connect = server->options.on_connect,
                                       .context = server->options.context};
    malware_init(&server->malware);
    protect_set_bans(server->protect, shared->bans);
    protect_set_counts(server->protect, shared->counts);
    for (size_t i = 0; i < POLICIES; i++)
        if (protect_add_policy(server->protect, protect_policies[i], states[i]) < 0)
            abort(); /* there is room for PROTECT_POLICIES_MAX */
}

int server_create(const struct server_options *options, struct server **ret_server)
{
    struct server *server = mem_new(struct server);

    server->options = *options;
    server->loop = options->loop;
    server->pool = http_pool_create(ARENA_CEILING);
    server->in = mem_alloc(IN_ROOM);
    server->plain = mem_alloc(PLAIN_ROOM);
    server->out = mem_alloc(OUT_ROOM);
    server->protect = protect_create(options->shared->connections, options->worker);
    server->waf = waf_policy_create(options->log);
    server->notes.log = options->log;
    add_policies(server);
    server->connection_max = descriptor_limit();
    server->accepting = true;
    server->accept_again.on_timeout = on_accept_again;
    server->second.on_timeout = on_second;
    list_init(&server->listeners);
    list_init(&server->connections);
    list_init(&server->idle);
    list_init(&server->ready);
    list_init(&server->feeds);
    list_init(&server->udp_listeners);
    list_init(&server->udp_due);
    on_second(&server->second, loop_now(server->loop));
    loop_on_round(server->loop, on_round, server);
    *ret_server = server;
    return 0;
}

static void listener_destroy(struct listener *listener)
{
    list_remove(&listener->link);
    /* Other processes have this socket too: closing it here does not end the watch. */
    loop_remove(listener->server->loop, &listener->watch);
    close(listener->watch.fd);
    free(listener);
}

void server_destroy(struct server *server)
{
    if (!server)
        return;
    server->on_drained = NULL;
    list_for_each (listener, next, &server->listeners, struct listener, link)
        listener_destroy(listener);
    list_for_each (c, next, &server->connections, struct connection, link)
        connection_destroy(c);
    udp_destroy(server);
    loop_timer_cancel(server->loop, &server->accept_again);
    loop_timer_cancel(server->loop, &server->second);
    loop_on_round(server->loop, NULL, NULL);
    tls_context_destroy(server->tls);
    sites_unref(server->sites);
    http_pool_destroy(server->pool);
    challenges_finish(&server->challenges);
    protect_destroy(server->protect);
    waf_policy_destroy(server->waf);
    free(server->in);
    free(server->plain);
    free(server->out);
    free(server);
}

/* ---- accepting ---- */

static void pause_accepting(struct server *server)
{
    list_for_each (listener, next, &server->listeners, struct listener, link)
        loop_pause(server->loop, &listener->watch, true);
    server->accepting = false;
    loop_timer_set(server->loop, &server->accept_again, loop_now(server->loop) + ACCEPT_PAUSE);
}

static void on_accept_again(struct loop_timer *timer, nsec_t now)
{
    struct server *server = container_of(timer, struct server, accept_again);

    (void)now;
    server->accepting = true;
    list_for_each (listener, next, &server->listeners, struct listener, link)
        loop_pause(server->loop, &listener->watch, false);
}

static bool is_full(const struct server *server)
{
    size_t max = (size_t)server->sites->limits.connections_per_worker;

    return (max && server->connection_count >= max) ||
           server->connection_count + (size_t)server->load.descriptors >= server->connection_max;
}

/* The longest idle connection gives way. */
static void evict_idle(struct server *server)
{
    if (!list_empty(&server->idle))
        connection_destroy(list_first(&server->idle, struct connection, queue));
}

struct peer_address server_peer_address(const struct sockaddr_storage *address, uint16_t *ret_port)
{
    struct peer_address peer = {{0}};

    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        memcpy(peer.bytes, &in6->sin6_addr, 16);
        *ret_port = ntohs(in6->sin6_port);
    } else {
        const struct sockaddr_in *in = (const void *)address;
        peer.bytes[10] = peer.bytes[11] = 0xff;
        memcpy(peer.bytes + 12, &in->sin_addr, 4);
        *ret_port = ntohs(in->sin_port);
    }
    return peer;
}

static bool transient(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/* @return false when no more should be accepted now */
static bool accept_one(struct server *server, struct listener *listener)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    uint16_t port = 0;

    if (is_full(server) && list_empty(&server->idle))
        server_relieve(server);
    if (is_full(server) && list_empty(&server->idle)) {
        server->counts.refused++;
        pause_accepting(server);
        return false;
    }
    int fd = accept4(listener->watch.fd, (struct sockaddr *)&address, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            int error = -errno;
            if (server_may_complain(server))
                log_event(server->options.log, LOG_WARNING, "accepting paused for 100 ms",
                          "reason=\"%s\" connections=%zu", error_text(error),
                          server->connection_count);
            evict_idle(server);
            server_relieve(server);
            pause_accepting(server);
            return false;
        }
        return errno != EAGAIN && transient(errno);
    }
    if (is_full(server))
        evict_idle(server);
    struct peer_address peer = server_peer_address(&address, &port);
    connection_accept(server, listener, fd, peer, port);
    return true;
}

static void on_listener(struct loop_watch *watch, unsigned events)
{
    struct listener *listener = container_of(watch, struct listener, watch);

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++)
        if (!accept_one(listener->server, listener))
            return;
}

/* ---- snapshots ---- */

static struct tls_context *choose_site(void *owner, struct span name)
{
    struct server *server = owner;
    bool exact;
    struct site *site = sites_find(server->sites, name, &exact);

    if (!site && !server->sites->strict)
        site = server->sites->fallback;
    return site ? site->tls : NULL;
}

static struct listener *find_listener(struct server *server, uint64_t id)
{
    list_for_each (listener, next, &server->listeners, struct listener, link)
        if (listener->id == id)
            return listener;
    return NULL;
}

static int add_listener(struct server *server, const struct server_listener *wanted)
{
    struct listener *listener = find_listener(server, wanted->id);

    if (listener) {
        close(wanted->fd);
    } else {
        listener = mem_new(struct listener);
        listener->watch = (struct loop_watch){.fd = wanted->fd, .on_event = on_listener};
        listener->server = server;
        listener->id = wanted->id;
        list_append(&server->listeners, &listener->link);
        int r = loop_add(server->loop, &listener->watch, LOOP_LEVEL);
        if (r < 0) {
            listener_destroy(listener);
            return r;
        }
        if (!server->accepting)
            loop_pause(server->loop, &listener->watch, true);
    }
    listener->secure = wanted->secure;
    listener->proxy_protocol = wanted->proxy_protocol;
    listener->port = wanted->port;
    listener->named = true;
    return 0;
}

int server_apply(struct server *server, struct sites *sites,
                 const struct server_listener *listeners, size_t count)
{
    int ret = 0;

    struct sites *former = server->sites;
    server->sites = sites;
    protect_set_limits(server->protect, &sites->limits);
    bans_set(&server->bans, sites->bans);
    server->malware.settings = sites->clamd;
    server->malware.address = sites->clamd_address;
    server->at_once.max = (uint32_t)sites->limits.requests_per_address;
    server->memo.sites = NULL; /* a new snapshot may stand where an old one stood */
    list_for_each (listener, next, &server->listeners, struct listener, link)
        listener->named = false;
    udp_begin_apply(server);
    for (size_t i = 0; i < count; i++) {
        int r = listeners[i].datagrams ? udp_listen(server, &listeners[i])
                                       : add_listener(server, &listeners[i]);
        if (r < 0)
            ret = r;
    }
    list_for_each (listener, next, &server->listeners, struct listener, link)
        if (!listener->named)
            listener_destroy(listener);
    list_for_each (c, next, &server->connections, struct connection, link)
        if (c->engine)
            http_engine_set_limits(c->engine, &sites->http_limits);
    udp_end_apply(server);
    sites_unref(former);
    return ret;
}

void server_set_tls(struct server *server, struct tls_context *context)
{
    if (context)
        tls_context_set_choose(context, choose_site, server);
    tls_context_destroy(server->tls);
    server->tls = context;
}

void server_scan_connected(struct server *server, uint64_t number, int fd, int error)
{
    malware_connected(&server->malware, number, fd, error);
}

void server_set_quic_secret(struct server *server, const unsigned char *secret)
{
    memcpy(server->udp_secret, secret, sizeof server->udp_secret);
}

void server_set_access_log(struct server *server, struct access_log *log)
{
    server->access_log = log;
}

int server_set_challenge(struct server *server, struct span token, struct span text)
{
    return challenges_set(&server->challenges, token, text);
}

/* ---- the end ---- */

static void tell_drained(struct server *server)
{
    if (!server->draining || server->connection_count > 0 || server->udp_count > 0 ||
        !server->on_drained)
        return;
    void (*on_drained)(void *context) = take(server->on_drained);
    on_drained(server->drained_context);
}

void server_connection_gone(struct server *server)
{
    server->connection_count--;
    tell_drained(server);
}

void server_udp_gone(struct server *server)
{
    server->udp_count--;
    tell_drained(server);
}

void server_drain(struct server *server, void (*on_drained)(void *context), void *context)
{
    server->draining = true;
    server->on_drained = on_drained;
    server->drained_context = context;
    list_for_each (listener, next, &server->listeners, struct listener, link) {
        /* Whoever got this far is still served. */
        for (int i = 0; i < BACKLOG && server->accepting && accept_one(server, listener); i++)
            ;
        listener_destroy(listener);
    }
    list_for_each (c, next, &server->connections, struct connection, link)
        connection_drain(c);
    udp_drain(server);
    tell_drained(server);
}

void server_counts(const struct server *server, struct server_counts *ret_counts)
{
    *ret_counts = server->counts;
    ret_counts->connections = server->connection_count + server->udp_count;
}
