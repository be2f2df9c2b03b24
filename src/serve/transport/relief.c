/* What connections hold, and who gives way when it is too much: of all clients the one that holds
 * most, and of its connections the heaviest, until there is room again. So one client's stalled
 * answers or unfinished requests never keep newcomers out. */
#include <stdlib.h>

#include "base/mem.h"
#include "serve/access_log.h"
#include "serve/transport/connection.h"
#include "serve/transport/udp.h"

enum {
    /* A client that holds no more than this is no reason why there is no room. */
    DESCRIPTORS_FAIR = 8,
    MEMORY_FAIR = 1024 * 1024,
};

/* What one connection holds of what is short. */
struct share {
    struct connection *c;
    int64_t weight;
};

enum shortage { SHORT_OF_NOTHING, SHORT_OF_DESCRIPTORS, SHORT_OF_MEMORY };

static int64_t memory_max(const struct server *server)
{
    int64_t max = server->sites->limits.worker_memory;

    return max ? max : INT64_MAX;
}

static int64_t descriptors_used(const struct server *server)
{
    return (int64_t)server->connection_count + server->load.descriptors;
}

static enum shortage shortage_of(const struct server *server)
{
    if (descriptors_used(server) >= (int64_t)server->connection_max)
        return SHORT_OF_DESCRIPTORS;
    return server->load.memory > memory_max(server) ? SHORT_OF_MEMORY : SHORT_OF_NOTHING;
}

/* Room is made for more than one newcomer, so that looking for it stays rare. */
static bool has_room(const struct server *server, enum shortage shortage)
{
    if (shortage == SHORT_OF_DESCRIPTORS)
        return descriptors_used(server) <
               (int64_t)(server->connection_max - server->connection_max / 8);
    return server->load.memory < memory_max(server) - memory_max(server) / 8;
}

/* An IPv6 client has a whole /64. */
static int compare_clients(const struct connection *a, const struct connection *b)
{
    const uint8_t *one = a->source.client.address.bytes, *other = b->source.client.address.bytes;

    return memcmp(one, other, peer_address_significant(a->source.client.address));
}

static int compare_shares(const void *a, const void *b)
{
    const struct share *one = a, *other = b;
    int order = compare_clients(one->c, other->c);

    if (order)
        return order;
    if (one->weight != other->weight)
        return one->weight > other->weight ? -1 : 1;
    return one->c->progress < other->c->progress ? -1 : one->c->progress > other->c->progress;
}

static struct share *weigh(struct server *server, enum shortage shortage)
{
    struct share *shares = mem_resize(NULL, server->connection_count + 1, sizeof *shares);
    size_t count = 0;

    list_for_each (c, next, &server->connections, struct connection, link)
        shares[count++] = (struct share){c, shortage == SHORT_OF_MEMORY ? c->load.memory
                                                                        : 1 + c->load.descriptors};
    qsort(shares, count, sizeof *shares, compare_shares);
    return shares;
}

/* The client that holds most: its shares stand next to each other, the heaviest first.
 * @return what it holds */
static int64_t find_heaviest(const struct share *shares, size_t count, size_t *ret_first,
                             size_t *ret_end)
{
    int64_t heaviest = 0;

    for (size_t first = 0, end; first < count; first = end) {
        int64_t sum = 0;
        for (end = first; end < count && compare_clients(shares[first].c, shares[end].c) == 0;
             end++)
            sum += shares[end].weight;
        if (sum > heaviest) {
            heaviest = sum;
            *ret_first = first;
            *ret_end = end;
        }
    }
    return heaviest;
}

static void say(struct server *server, enum shortage shortage, const struct connection *c)
{
    char address[46];

    if (!server_may_complain(server))
        return;
    peer_address_text(c->source.client.address, address);
    log_event(server->options.log, LOG_WARNING, "the client that holds most gives way",
              "short_of=%s address=%s connections=%zu",
              shortage == SHORT_OF_MEMORY ? "memory" : "descriptors", address,
              server->connection_count);
}

/* Cuts connections of the heaviest client until there is room, or it is as light as others. */
static bool cut_heaviest(struct server *server, enum shortage shortage)
{
    int64_t fair = shortage == SHORT_OF_MEMORY ? MEMORY_FAIR : DESCRIPTORS_FAIR;
    struct share *shares = weigh(server, shortage);
    size_t at = 0, end = 0;

    int64_t held = find_heaviest(shares, server->connection_count, &at, &end);
    int64_t half = held / 2 > fair ? held / 2 : fair;
    bool cut = held > fair;
    if (cut)
        say(server, shortage, shares[at].c);
    for (; cut && at < end && held > half && !has_room(server, shortage); at++) {
        held -= shares[at].weight;
        server->counts.refused++;
        connection_cut(shares[at].c, HTTP_END_SERVER);
    }
    free(shares);
    return cut;
}

void server_relieve(struct server *server)
{
    if (!server->sites)
        return; /* no settings yet, so no connection */
    enum shortage shortage = shortage_of(server);

    while (shortage == SHORT_OF_MEMORY && !has_room(server, shortage) &&
           udp_relieve(server, MEMORY_FAIR))
        ;
    while (shortage != SHORT_OF_NOTHING && !has_room(server, shortage) &&
           cut_heaviest(server, shortage))
        ;
}

bool server_count_load(struct server *server, struct connection *c)
{
    struct http_load load = c->engine ? http_load(c->engine) : (struct http_load){0};
    int64_t max = server->sites->limits.connection_memory;

    load.memory += (int64_t)(c->pending_len + c->held_len);
    server->load.memory += load.memory - c->load.memory;
    server->load.descriptors += load.descriptors - c->load.descriptors;
    c->load = load;
    return max == 0 || load.memory <= max;
}

void server_forget_load(struct server *server, const struct connection *c)
{
    server->load.memory -= c->load.memory;
    server->load.descriptors -= c->load.descriptors;
}
