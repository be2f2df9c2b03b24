/* Rates by one time each: it says when all that was taken will have been given back, and may lie at
 * most a minute ahead. */
#include "eye/gate.h"

#include <string.h>

#define MINUTE (60 * NSEC_PER_SEC)

void gate_normalise(struct socket_address *address)
{
    const struct sockaddr_in6 *in6 = (const void *)&address->storage;
    struct sockaddr_in in4 = {.sin_family = AF_INET};

    if (address->storage.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return;
    in4.sin_port = in6->sin6_port;
    memcpy(&in4.sin_addr, &in6->sin6_addr.s6_addr[12], 4);
    *address = (struct socket_address){.len = sizeof in4};
    memcpy(&address->storage, &in4, sizeof in4);
}

static void network_of(const struct socket_address *from, unsigned char out[17])
{
    const struct sockaddr_in *in4 = (const void *)&from->storage;
    const struct sockaddr_in6 *in6 = (const void *)&from->storage;

    memset(out, 0, 17);
    if (address_is_ipv6(from)) {
        out[0] = 6;
        memcpy(out + 1, &in6->sin6_addr, 8);
    } else {
        out[0] = 4;
        memcpy(out + 1, &in4->sin_addr, 4);
    }
}

/* @return 0 with one taken, or the ns until one may be */
static nsec_t take_one(nsec_t *until, unsigned a_minute, nsec_t now)
{
    nsec_t from = *until < now ? now : *until, next = from + MINUTE / a_minute;

    if (next - now > MINUTE)
        return next - now - MINUTE;
    *until = next;
    return 0;
}

static bool forgotten(const struct gate_source *source, nsec_t now)
{
    return source->connected == 0 && source->knocks <= now && source->looks <= now;
}

static struct gate_source *find(struct gate *gate, const unsigned char network[17], nsec_t now)
{
    struct gate_source *room = NULL;

    for (size_t i = 0; i < gate->count; i++) {
        struct gate_source *source = &gate->sources[i];
        if (memcmp(source->network, network, 17) == 0)
            return source;
        if (!room && forgotten(source, now))
            room = source;
    }
    if (!room && gate->count < GATE_SOURCES_MAX)
        room = &gate->sources[gate->count++];
    if (!room)
        return NULL;
    *room = (struct gate_source){.knocks = now, .looks = now};
    memcpy(room->network, network, 17);
    return room;
}

struct gate_source *gate_enter(struct gate *gate, const struct socket_address *from, nsec_t now)
{
    unsigned char network[17];

    if (gate->active >= GATE_ACTIVE_MAX)
        return NULL;
    network_of(from, network);
    struct gate_source *source = find(gate, network, now);
    if (!source || source->connected >= GATE_CONNECTIONS ||
        take_one(&source->knocks, GATE_KNOCKS, now) > 0)
        return NULL;
    source->connected++;
    gate->active++;
    return source;
}

static unsigned seconds(nsec_t wait)
{
    return (unsigned)((wait + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
}

unsigned gate_look(struct gate *gate, struct gate_source *source, nsec_t now)
{
    nsec_t all = gate->looks;

    if (source->looking)
        return 1;
    nsec_t wait = take_one(&all, GATE_ALL_LOOKS, now);
    if (wait == 0)
        wait = take_one(&source->looks, gate->looks_a_minute, now);
    if (wait > 0)
        return seconds(wait);
    gate->looks = all;
    source->looking = true;
    return 0;
}

void gate_leave(struct gate *gate, struct gate_source *source, bool looked)
{
    source->connected--;
    gate->active--;
    if (looked)
        source->looking = false;
}
