/* The connections of each server: kept ones are used last in, first out, so that the rest grows old
 * and is closed; who finds none waits until the connector sends one or another request is done. */
#include "serve/proxy/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/tls.h"

/* ---- kept connections ---- */

static void on_sweep(struct loop_timer *timer, nsec_t now)
{
    struct upstream *upstream = container_of(timer, struct upstream, sweep);

    while (!list_empty(&upstream->idle)) {
        struct upstream_connection *oldest =
            list_last(&upstream->idle, struct upstream_connection, link);
        if (oldest->idle_since + upstream->keep > now) {
            loop_timer_set(upstream->proxy->options.loop, timer,
                           oldest->idle_since + upstream->keep);
            return;
        }
        upstream_connection_destroy(oldest);
    }
}

/** Has its end, or a byte too many, arrived by now? */
static bool is_stale(const struct upstream_connection *c)
{
    char byte;

    return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/** The one that was used last, unless it was kept too long by now. */
static struct upstream_connection *take_idle(struct upstream *upstream, bool careful)
{
    nsec_t now = loop_now(upstream->proxy->options.loop);

    while (!list_empty(&upstream->idle)) {
        struct upstream_connection *c =
            list_first(&upstream->idle, struct upstream_connection, link);
        if (c->idle_since + upstream->keep > now && !c->readable && !(careful && is_stale(c))) {
            list_remove(&c->link);
            upstream->idle_count--;
            return c;
        }
        upstream_connection_destroy(c);
    }
    return NULL;
}

static void keep(struct upstream *upstream, struct upstream_connection *c)
{
    struct loop *loop = upstream->proxy->options.loop;

    if (upstream->keep == 0 || upstream->idle_max == 0) {
        upstream_connection_destroy(c);
        return;
    }
    if (upstream->idle_count >= upstream->idle_max)
        upstream_connection_destroy(list_last(&upstream->idle, struct upstream_connection, link));
    c->idle_since = loop_now(loop);
    if (list_empty(&upstream->idle))
        loop_timer_set(loop, &upstream->sweep, c->idle_since + upstream->keep);
    list_prepend(&upstream->idle, &c->link);
    upstream->idle_count++;
}

/* ---- those who wait ---- */

static void give(struct upstream_connection *c, struct upstream_user *user)
{
    c->user = user;
    c->sent = false;
    c->requests++;
    user->connection = c;
    user->on_connection(user, c);
}

static struct upstream_user *next_waiting(struct upstream *upstream)
{
    if (list_empty(&upstream->waiting))
        return NULL;
    struct upstream_user *user = list_first(&upstream->waiting, struct upstream_user, waiting);
    list_remove(&user->waiting);
    upstream->waiting_count--;
    return user;
}

void upstream_release(struct upstream *upstream, struct upstream_connection *c)
{
    struct upstream_user *user = next_waiting(upstream);

    if (user)
        give(c, user);
    else
        keep(upstream, c);
}

static int ask(struct upstream *upstream)
{
    const struct proxy_options *options = &upstream->proxy->options;

    int r = options->connect(options->context, upstream->number, upstream->balance.id);
    if (r == 0)
        upstream->asked++;
    return r;
}

int upstream_connect(struct upstream *upstream, struct upstream_user *user, bool fresh,
                     unsigned waiting_max)
{
    struct upstream_connection *c = fresh ? NULL : take_idle(upstream, user->careful);

    if (c) {
        give(c, user);
        return 0;
    }
    if (upstream->waiting_count >= waiting_max)
        return ERR_LIMIT;
    if (upstream->asked <= upstream->waiting_count) {
        int r = ask(upstream);
        if (r < 0 && r != -ENOTCONN && upstream->asked == 0)
            return r; /* nothing would ever come; a connector that is starting will be asked */
    }
    list_append(&upstream->waiting, &user->waiting);
    upstream->waiting_count++;
    return 0;
}

void upstream_leave(struct upstream *upstream, struct upstream_user *user)
{
    struct upstream_connection *c = take(user->connection);

    if (c) {
        c->user = NULL;
        upstream_connection_due(c); /* at the end of the round it is kept, or ends */
    } else if (!list_empty(&user->waiting)) {
        list_remove(&user->waiting);
        upstream->waiting_count--;
    }
}

/** What was asked for is there, or will not be. */
static void settle(struct upstream *upstream, struct upstream_connection *c, int error,
                   const char *reason)
{
    if (upstream->asked > 0)
        upstream->asked--;
    if (c) {
        upstream_release(upstream, c);
    } else {
        struct upstream_user *user = next_waiting(upstream);
        if (user)
            user->on_no_connection(user, error, reason);
    }
    int r = 0; /* an earlier question may have found no room */
    while (upstream->asked < upstream->waiting_count && r == 0)
        r = ask(upstream);
}

void upstream_connected(struct upstream *upstream, int fd, int error)
{
    struct upstream_connection *c = fd >= 0 ? upstream_connection_create(upstream, fd) : NULL;

    if (c && c->tls)
        upstream->handshakes++;
    else if (fd >= 0 && !c && upstream->tls && !upstream->tls->library)
        settle(upstream, NULL, ERR_TLS,
               "there are no certificates to verify the upstream server with; install the package "
               "ca-certificates, or name some as tls.ca_file of the group under upstreams");
    else
        settle(upstream, c, fd >= 0 ? -ENOMEM : error, NULL);
}

void upstream_handshake_over(struct upstream *upstream, struct upstream_connection *c, int error,
                             const char *reason)
{
    upstream->handshakes--;
    settle(upstream, c, error, reason);
}

void upstream_ask_again(struct upstream *upstream)
{
    unsigned owed = upstream->waiting_count;
    int r = 0;

    upstream->asked = upstream->handshakes;
    while (upstream->asked < owed && r == 0)
        r = ask(upstream);
    if (r == 0 || upstream->asked > 0)
        return;
    for (; owed > 0; owed--) {
        struct upstream_user *user = next_waiting(upstream);
        if (user)
            user->on_no_connection(user, r, NULL);
    }
}

/* ---- servers and groups ---- */

struct upstream *upstream_ref(struct upstream *upstream)
{
    upstream->references++;
    return upstream;
}

void upstream_unref(struct upstream *upstream)
{
    if (--upstream->references > 0)
        return;
    while (!list_empty(&upstream->connections))
        upstream_connection_destroy(
            list_first(&upstream->connections, struct upstream_connection, all));
    loop_timer_cancel(upstream->proxy->options.loop, &upstream->sweep);
    list_remove(&upstream->link);
    tls_ticket_destroy(upstream->ticket);
    upstream_tls_unref(upstream->tls);
    free(upstream->group);
    free(upstream->name);
    free(upstream->authority);
    free(upstream->tls_name);
    free(upstream);
}

static struct upstream *find(struct proxy *proxy, const char *group, const char *name)
{
    list_for_each (upstream, next, &proxy->upstreams, struct upstream, link)
        if (strcmp(upstream->group, group) == 0 && strcmp(upstream->name, name) == 0)
            return upstream;
    return NULL;
}

static struct upstream *create(struct proxy *proxy, const char *group, const char *name)
{
    struct upstream *upstream = mem_new(struct upstream);

    upstream->proxy = proxy;
    upstream->group = mem_string(span_str(group));
    upstream->name = mem_string(span_str(name));
    upstream->number = proxy->next_number++;
    upstream->sweep.on_timeout = on_sweep;
    list_init(&upstream->connections);
    list_init(&upstream->idle);
    list_init(&upstream->waiting);
    list_append(&proxy->upstreams, &upstream->link);
    return upstream;
}

/** What is verified, from now on: what was proved to other certificates or for another name is not
 *  used any more. */
static void set_tls(struct upstream *upstream, const struct upstream_settings *settings,
                    const struct upstream_address *address, struct span roots)
{
    const char *host = address->host[0] ? address->host : "localhost";
    const char *name = settings->tls.name ? settings->tls.name : host;
    struct upstream_tls *tls = upstream_tls_get(upstream->proxy, settings->tls.verify, roots);

    upstream->handshake_time = settings->timeouts.connect;
    if (tls == upstream->tls && strcmp(name, upstream->tls_name) == 0) {
        upstream_tls_unref(tls);
        return;
    }
    while (!list_empty(&upstream->idle))
        upstream_connection_destroy(list_first(&upstream->idle, struct upstream_connection, link));
    tls_ticket_destroy(take(upstream->ticket));
    upstream_tls_unref(upstream->tls);
    upstream->tls = tls;
    free(upstream->tls_name);
    upstream->tls_name = mem_string(span_str(name));
}

static struct upstream *get(struct proxy *proxy, const struct upstream_settings *settings,
                            const char *server, struct span roots)
{
    struct upstream_address address = {0};
    char name[UPSTREAM_TEXT_MAX];
    int weight = upstream_weight(settings, server);

    if (upstream_address_parse(server, &address)) /* it was checked with the settings */
        return NULL;
    upstream_address_text(&address, name);
    struct upstream *upstream = find(proxy, settings->name, name);
    if (!upstream)
        upstream = create(proxy, settings->name, name);
    if (!upstream->authority)
        upstream->authority = mem_string(span_str(upstream_address_authority(&address, name)));
    if (address.secure)
        set_tls(upstream, settings, &address, roots);
    upstream->balance.id = upstream_address_id(&address);
    upstream->balance.weight = weight < 0 ? 1 : (unsigned)weight;
    upstream->idle_max = (unsigned)settings->idle;
    upstream->keep = settings->keep;
    return upstream_ref(upstream);
}

struct upstream_group *upstream_group_create(struct proxy *proxy,
                                             const struct upstream_settings *settings,
                                             struct span roots)
{
    struct upstream_group *group = mem_new(struct upstream_group);

    group->references = 1;
    group->proxy = proxy;
    group->servers = mem_zalloc(settings->servers.count * sizeof(struct balance_server *));
    for (size_t i = 0; i < settings->servers.count; i++) {
        struct upstream *upstream = get(proxy, settings, settings->servers.items[i], roots);
        if (upstream)
            group->servers[group->count++] = &upstream->balance;
    }
    group->balance = (enum balance_kind)settings->balance;
    group->health = settings->health;
    group->timeouts = settings->timeouts;
    group->tries = (unsigned)settings->tries;
    group->waiting_max = (unsigned)settings->waiting;
    return group;
}

struct upstream_group *upstream_group_ref(struct upstream_group *group)
{
    group->references++;
    return group;
}

void upstream_group_unref(struct upstream_group *group)
{
    if (!group || --group->references > 0)
        return;
    for (size_t i = 0; i < group->count; i++)
        upstream_unref(upstream_of(group->servers[i]));
    free(group->servers);
    free(group);
}

/* ---- the worker's proxy ---- */

struct proxy *proxy_create(const struct proxy_options *options)
{
    struct proxy *proxy = mem_new(struct proxy);

    proxy->options = *options;
    proxy->random = options->secret[0];
    proxy->next_number = 1;
    proxy->scratch = mem_alloc(UPSTREAM_SCRATCH);
    list_init(&proxy->upstreams);
    list_init(&proxy->due);
    list_init(&proxy->trusts);
    return proxy;
}

void proxy_destroy(struct proxy *proxy)
{
    if (!proxy)
        return;
    free(proxy->scratch);
    free(proxy->sealed);
    free(proxy->opened);
    free(proxy);
}

void proxy_connected(struct proxy *proxy, uint64_t number, int fd, int error)
{
    list_for_each (upstream, next, &proxy->upstreams, struct upstream, link)
        if (upstream->number == number) {
            upstream_connected(upstream_ref(upstream), fd, error);
            upstream_unref(upstream);
            return;
        }
    if (fd >= 0) /* a reload took the server away */
        close(fd);
}

void proxy_connector_replaced(struct proxy *proxy)
{
    list_for_each (upstream, next, &proxy->upstreams, struct upstream, link)
        upstream_ask_again(upstream);
}

void proxy_round(struct proxy *proxy)
{
    struct list now;

    if (list_empty(&proxy->due))
        return;
    list_init(&now); /* what becomes due meanwhile is for the next round */
    while (!list_empty(&proxy->due)) {
        struct list *first = proxy->due.next;
        list_remove(first);
        list_append(&now, first);
    }
    while (!list_empty(&now)) {
        struct upstream_connection *c = list_first(&now, struct upstream_connection, due);
        list_remove(&c->due);
        upstream_connection_drive(c);
    }
    if (!list_empty(&proxy->due))
        loop_hurry(proxy->options.loop);
}
