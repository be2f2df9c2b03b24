/* Each way to choose is a walk over the servers, which are few. Loads are counted in this worker.
 */
#include "serve/proxy/balance.h"

enum {
    LOAD_NUMERATOR = 5, /* a hash's server takes 5/4 of its fair share, then the next one does */
    LOAD_DENOMINATOR = 4,
};

/** The server's weight at this time, in thousandths; 0 when it may not be asked. */
static uint64_t share(const struct balance_server *server, const struct balance_question *q)
{
    if (server->weight == 0 || !health_usable(&server->health, q->now))
        return 0;
    for (size_t i = 0; i < q->tried_count; i++)
        if (q->tried[i] == server)
            return 0;
    return (uint64_t)server->weight * health_share(&server->health, q->health, q->now);
}

/** Smooth weighted round robin: each gains its weight, the richest pays the sum. */
static struct balance_server *round_robin(struct balance_server *const *servers, size_t count,
                                          const struct balance_question *q)
{
    struct balance_server *best = NULL;
    int64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t weight = (int64_t)share(servers[i], q);
        if (weight == 0)
            continue;
        servers[i]->current += weight;
        total += weight;
        if (!best || servers[i]->current > best->current)
            best = servers[i];
    }
    if (best)
        best->current -= total;
    return best;
}

/** Whether a has less to do than b, for their shares. */
static bool is_lighter(const struct balance_server *a, uint64_t a_share,
                       const struct balance_server *b, uint64_t b_share)
{
    return (a->in_flight + 1) * b_share < (b->in_flight + 1) * a_share;
}

static struct balance_server *least(struct balance_server *const *servers, size_t count,
                                    const struct balance_question *q)
{
    struct balance_server *best = NULL;
    uint64_t best_share = 0;

    for (size_t i = 0; i < count; i++) {
        struct balance_server *server = servers[(i + q->random) % count];
        uint64_t its = share(server, q);
        if (its && (!best || is_lighter(server, its, best, best_share))) {
            best = server;
            best_share = its;
        }
    }
    return best;
}

/** The n-th of those that may be asked. */
static struct balance_server *usable_at(struct balance_server *const *servers, size_t count,
                                        const struct balance_question *q, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (share(servers[i], q) && n-- == 0)
            return servers[i];
    return NULL;
}

static struct balance_server *two(struct balance_server *const *servers, size_t count,
                                  const struct balance_question *q)
{
    size_t usable = 0;

    for (size_t i = 0; i < count; i++)
        usable += share(servers[i], q) > 0;
    if (usable == 0)
        return NULL;
    size_t first = (size_t)(q->random % usable);
    struct balance_server *a = usable_at(servers, count, q, first);
    if (usable == 1)
        return a;
    size_t second = (first + 1 + (size_t)((q->random >> 32) % (usable - 1))) % usable;
    struct balance_server *b = usable_at(servers, count, q, second);
    return is_lighter(b, share(b, q), a, share(a, q)) ? b : a;
}

/** splitmix64's finaliser: every bit of the result depends on every bit of the input. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/** A server of weight w draws w numbers for a key, the highest of which counts: so keys are shared
 *  out by weight, and a server that goes takes only its own keys with it. */
static uint64_t draw(const struct balance_server *server, uint64_t hash)
{
    uint64_t highest = 0;

    for (unsigned i = 0; i < server->weight; i++) {
        uint64_t number = mix(hash ^ mix(server->id + i));
        if (number > highest)
            highest = number;
    }
    return highest;
}

static bool has_room(const struct balance_server *server, uint64_t in_flight, uint64_t weights)
{
    uint64_t fair = (in_flight + 1) * server->weight;

    return server->in_flight * weights * LOAD_DENOMINATOR < fair * LOAD_NUMERATOR;
}

static struct balance_server *hash(struct balance_server *const *servers, size_t count,
                                   const struct balance_question *q)
{
    struct balance_server *best = NULL, *fallback = NULL;
    uint64_t best_draw = 0, fallback_draw = 0, in_flight = 0, weights = 0;

    for (size_t i = 0; i < count; i++) {
        if (share(servers[i], q) == 0)
            continue;
        in_flight += servers[i]->in_flight;
        weights += servers[i]->weight;
    }
    for (size_t i = 0; i < count; i++) {
        if (share(servers[i], q) == 0)
            continue;
        uint64_t number = draw(servers[i], q->hash);
        if (!fallback || number > fallback_draw) {
            fallback = servers[i];
            fallback_draw = number;
        }
        if ((!best || number > best_draw) && has_room(servers[i], in_flight, weights)) {
            best = servers[i];
            best_draw = number;
        }
    }
    return best ? best : fallback;
}

struct balance_server *balance_choose(struct balance_server *const *servers, size_t count,
                                      const struct balance_question *question)
{
    if (count == 0)
        return NULL;
    switch (question->kind) {
    case BALANCE_LEAST:
        return least(servers, count, question);
    case BALANCE_TWO:
        return two(servers, count, question);
    case BALANCE_HASH:
        return hash(servers, count, question);
    default:
        return round_robin(servers, count, question);
    }
}

size_t balance_usable(struct balance_server *const *servers, size_t count, nsec_t now)
{
    size_t usable = 0;

    for (size_t i = 0; i < count; i++)
        usable += servers[i]->weight > 0 && health_usable(&servers[i]->health, now);
    return usable;
}

nsec_t balance_retry_at(struct balance_server *const *servers, size_t count, nsec_t now)
{
    nsec_t soonest = 0;

    for (size_t i = 0; i < count; i++) {
        nsec_t at = health_retry_at(&servers[i]->health, now);
        if (at && (soonest == 0 || at < soonest))
            soonest = at;
    }
    return soonest;
}
