/* Rates by one time each: it says when all that was taken will have been given back, and may lie at
 * most a minute ahead. */
#include "eye/admission.h"

#include <string.h>

#define MINUTE (60 * NSEC_PER_SEC)

void admission_normalise(struct socket_address *address)
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

static bool forgotten(const struct admission_source *source, nsec_t now)
{
    return source->connected == 0 && source->attempts <= now && source->probes <= now;
}

static struct admission_source *find(struct admission *admission, const unsigned char network[17],
                                     nsec_t now)
{
    struct admission_source *room = NULL;

    for (size_t i = 0; i < admission->count; i++) {
        struct admission_source *source = &admission->sources[i];
        if (memcmp(source->network, network, 17) == 0)
            return source;
        if (!room && forgotten(source, now))
            room = source;
    }
    if (!room && admission->count < ADMISSION_SOURCES_MAX)
        room = &admission->sources[admission->count++];
    if (!room)
        return NULL;
    *room = (struct admission_source){.attempts = now, .probes = now};
    memcpy(room->network, network, 17);
    return room;
}

struct admission_source *admission_enter(struct admission *admission,
                                         const struct socket_address *from, nsec_t now)
{
    unsigned char network[17];

    if (admission->active >= ADMISSION_ACTIVE_MAX)
        return NULL;
    network_of(from, network);
    struct admission_source *source = find(admission, network, now);
    if (!source || source->connected >= ADMISSION_CONNECTIONS ||
        take_one(&source->attempts, ADMISSION_ATTEMPTS, now) > 0)
        return NULL;
    source->connected++;
    admission->active++;
    return source;
}

static unsigned seconds(nsec_t wait)
{
    return (unsigned)((wait + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
}

unsigned admission_probe(struct admission *admission, struct admission_source *source, nsec_t now)
{
    nsec_t all = admission->probes;

    if (source->probing)
        return 1;
    nsec_t wait = take_one(&all, ADMISSION_ALL_PROBES, now);
    if (wait == 0)
        wait = take_one(&source->probes, admission->probes_a_minute, now);
    if (wait > 0)
        return seconds(wait);
    admission->probes = all;
    source->probing = true;
    return 0;
}

void admission_leave(struct admission *admission, struct admission_source *source, bool probed)
{
    source->connected--;
    admission->active--;
    if (probed)
        source->probing = false;
}
