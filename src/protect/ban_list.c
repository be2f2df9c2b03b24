/* Bans by network. */
#include "protect/ban_list.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"

/* Bans by hand and by settings find room where others do not. */
enum { DOUBLINGS_MAX = 20, DELIBERATE_MORE = 10000 };

#define MEMORY_MIN (86400 * NSEC_PER_SEC)

static const char *const causes[BAN_CAUSES] = {
    [BAN_BY_HAND] = "hand", [BAN_BY_SETTINGS] = "settings",   [BAN_BY_WAF] = "waf",
    [BAN_BY_RATE] = "rate", [BAN_BY_NOT_FOUND] = "not_found", [BAN_BY_LOGINS] = "logins",
};

const char *ban_cause_name(enum ban_cause cause)
{
    return causes[cause];
}

int ban_cause_parse(struct span name, enum ban_cause *ret_cause)
{
    for (size_t i = 0; i < BAN_CAUSES; i++)
        if (span_equal(name, span_str(causes[i]))) {
            *ret_cause = (enum ban_cause)i;
            return 0;
        }
    return ERR_NOT_FOUND;
}

void ban_list_init(struct ban_list *list, const uint64_t secret[2])
{
    *list = (struct ban_list){.max = 7 * MEMORY_MIN, .limit = 100000};
    map_init(&list->bans, secret);
}

void ban_list_finish(struct ban_list *list)
{
    struct span key;
    size_t cursor = 0;
    void *ban;

    while (map_next(&list->bans, &cursor, &key, &ban))
        free(ban);
    map_finish(&list->bans);
}

/** The network without the bits beyond its prefix, as bytes for a key. */
struct network_key {
    uint8_t bytes[16];
    uint8_t bits;
};

static struct network_key key_of(struct peer_address address, unsigned bits)
{
    struct peer_address masked = peer_network_mask(address, bits);
    struct network_key key = {.bits = (uint8_t)bits};

    memcpy(key.bytes, masked.bytes, sizeof key.bytes);
    return key;
}

static struct span span_of_key(const struct network_key *key)
{
    return span_of((const char *)key, sizeof *key);
}

static struct ban *get(const struct ban_list *list, const struct peer_network *network)
{
    struct network_key key = key_of(network->address, network->bits);

    return map_get(&list->bans, span_of_key(&key));
}

static void forget(struct ban_list *list, struct ban *ban)
{
    struct network_key key = key_of(ban->network.address, ban->network.bits);

    free(map_remove(&list->bans, span_of_key(&key)));
}

/** Ended bans are remembered as long as there is room: when there is none, all of them go at once,
 *  which is not tried again before a second is over. */
static void make_room(struct ban_list *list, nsec_t now)
{
    struct span key;
    size_t cursor = 0;
    void *item;

    if (now - list->emptied < NSEC_PER_SEC)
        return;
    list->emptied = now;
    while (map_next(&list->bans, &cursor, &key, &item)) {
        struct ban *ban = item;
        if (!ban->in_force)
            forget(list, ban);
    }
}

static bool is_deliberate(enum ban_cause cause)
{
    return cause == BAN_BY_HAND || cause == BAN_BY_SETTINGS;
}

/** @return NULL when the list is full */
static struct ban *add_entry(struct ban_list *list, const struct peer_network *network,
                             enum ban_cause cause, nsec_t now)
{
    struct network_key key = key_of(network->address, network->bits);
    size_t limit = list->limit + (is_deliberate(cause) ? DELIBERATE_MORE : 0);

    if (list->bans.used >= limit)
        make_room(list, now);
    if (list->bans.used >= limit)
        return NULL;
    struct ban *ban = mem_new(struct ban);
    ban->network = *network;
    ban->network.address = peer_network_mask(network->address, network->bits);
    (void)map_set(&list->bans, span_of_key(&key), ban);
    return ban;
}

static nsec_t escalate(const struct ban_list *list, nsec_t time, unsigned strikes)
{
    for (unsigned i = 1; i < strikes && i < DOUBLINGS_MAX && time < list->max; i++)
        time *= 2;
    return time < list->max ? time : list->max;
}

const struct ban *ban_list_add(struct ban_list *list, const struct ban *wanted, nsec_t time,
                               nsec_t now)
{
    struct ban *ban = get(list, &wanted->network);
    bool deliberate = is_deliberate(wanted->cause);

    if (ban && ban->until > now && !deliberate)
        return ban; /* it was under way already when the ban began */
    if (!ban)
        ban = add_entry(list, &wanted->network, wanted->cause, now);
    if (!ban)
        return NULL;
    ban->cause = wanted->cause;
    ban->learned = wanted->learned;
    snprintf(ban->why, sizeof ban->why, "%s", wanted->why);
    ban->strikes++;
    ban->since = now;
    ban->until = now + (deliberate ? time : escalate(list, time, ban->strikes));
    ban->in_force = true;
    return ban;
}

bool ban_list_restore(struct ban_list *list, const struct ban *ban)
{
    struct ban *own = get(list, &ban->network);

    if (!own)
        own = add_entry(list, &ban->network, ban->cause, ban->since);
    if (!own)
        return false;
    struct peer_network network = own->network;
    *own = *ban;
    own->network = network;
    return true;
}

bool ban_list_lift(struct ban_list *list, const struct peer_network *network)
{
    struct ban *ban = get(list, network);
    bool in_force = ban && ban->in_force;

    if (ban)
        forget(list, ban);
    return in_force;
}

const struct ban *ban_list_find(const struct ban_list *list, struct peer_address address,
                                nsec_t now)
{
    for (int bits = 128; bits >= 0; bits--) {
        struct peer_network network = {address, (unsigned)bits};
        const struct ban *ban = get(list, &network);
        if (ban && ban->until > now)
            return ban;
    }
    return NULL;
}

static nsec_t remembered(const struct ban *ban)
{
    nsec_t time = ban->until - ban->since;

    return ban->until + (time > MEMORY_MIN ? time : MEMORY_MIN);
}

void ban_list_expire(struct ban_list *list, nsec_t now,
                     void (*on_end)(void *context, const struct ban *ban), void *context)
{
    struct span key;
    size_t cursor = 0;
    void *value;

    while (map_next(&list->bans, &cursor, &key, &value)) {
        struct ban *ban = value;
        if (ban->until > now)
            continue;
        if (ban->in_force) {
            ban->in_force = false;
            on_end(context, ban);
        }
        if (remembered(ban) <= now)
            forget(list, ban);
    }
}

const struct ban *ban_list_next(const struct ban_list *list, size_t *cursor)
{
    struct span key;
    void *ban;

    return map_next(&list->bans, cursor, &key, &ban) ? ban : NULL;
}
