/* Asks for everything at once: the system's resolver in a child, and A, AAAA, HTTPS and CAA of the
 * servers themselves. What the answers say is names_report.c's. */
#include "check/names.h"

#include <stdlib.h>

#include "base/mem.h"
#include "os/net.h"

/* How long to wait for the system's resolver once DNS has answered. */
#define GRACE (1 * NSEC_PER_SEC)

static bool same_ip(const struct socket_address *a, const struct socket_address *b)
{
    struct socket_address copy = *a;

    address_set_port(&copy, socket_address_port(b));
    return socket_address_equal(&copy, b);
}

static void add(struct names *names, const struct socket_address *address, bool from_dns)
{
    struct names_address *item = names->addresses, *end = item + names->count;

    while (item < end && !same_ip(&item->address, address))
        item++;
    if (item == end) {
        bool wanted = !names->options.family || address->storage.ss_family == names->options.family;
        if (!wanted || names->count == NAMES_ADDRESSES_MAX) {
            names->left_out++;
            return;
        }
        names->count++;
        *item = (struct names_address){.address = *address};
        address_set_port(&item->address, names->target->port);
    }
    item->from_dns |= from_dns;
    item->from_system |= !from_dns;
}

static void add_records(struct names *names, const struct dns_query *query, uint16_t type)
{
    for (size_t i = 0; query->done && !query->error && i < query->answer.count; i++) {
        const struct dns_record *record = &query->answer.records[i];
        struct socket_address address = {.any = false};
        struct sockaddr_in *in4 = (struct sockaddr_in *)&address.storage;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address.storage;
        if (record->type != type)
            continue;
        if (type == DNS_A) {
            in4->sin_family = AF_INET;
            memcpy(&in4->sin_addr, record->address, 4);
            address.len = sizeof *in4;
        } else {
            in6->sin6_family = AF_INET6;
            memcpy(&in6->sin6_addr, record->address, 16);
            address.len = sizeof *in6;
        }
        add(names, &address, true);
    }
}

static void tell(struct names *names)
{
    if (names->told)
        return;
    names->told = true;
    loop_timer_cancel(names->loop, &names->timer);
    for (size_t i = 0; names->system_done && i < names->system.count; i++)
        add(names, &names->system.addresses[i], false);
    add_records(names, &names->a, DNS_A);
    add_records(names, &names->aaaa, DNS_AAAA);
    names->took = nsec_monotonic() - names->started;
    names->on_addresses(names);
}

static bool dns_done(const struct names *names)
{
    return !names->asked_dns || (names->a.done && names->aaaa.done);
}

static void look_around(struct names *names)
{
    bool system = !names->asked_system || names->system_done;

    if (names->told)
        return;
    if (dns_done(names) && system)
        tell(names);
    else if (dns_done(names) && names->asked_dns)
        loop_timer_set(names->loop, &names->timer, nsec_monotonic() + GRACE);
}

static void on_query(struct dns_query *query, void *context)
{
    (void)query;
    look_around(context);
}

static void on_other_query(struct dns_query *query, void *context)
{
    const struct names *names = context;

    (void)query;
    loop_hurry(names->loop); /* the owner looks whether all is done */
}

static void stop_lookup(struct names *names)
{
    if (names->watch.fd < 0)
        return;
    loop_remove(names->loop, &names->watch);
    names->watch.fd = -1;
    lookup_finish(&names->lookup);
}

static void on_lookup(struct loop_watch *watch, unsigned events)
{
    struct names *names = container_of(watch, struct names, watch);

    (void)events;
    int r = lookup_read(&names->lookup, names->target->port, &names->system);
    if (r == 0)
        return;
    stop_lookup(names);
    names->system_error = r < 0 ? r : 0;
    names->system_done = true;
    look_around(names);
}

/* The time for the system, or for everything, is over. */
static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct names *names = container_of(timer, struct names, timer);

    (void)now;
    stop_lookup(names);
    if (names->asked_system && !names->system_done) {
        names->system_error = ERR_TIMEOUT;
        names->system_done = true;
    }
    tell(names);
}

static void ask_system(struct names *names)
{
    names->asked_system = true;
    int r = lookup_start(&names->lookup, names->target->host);
    if (r >= 0) {
        names->watch = (struct loop_watch){.fd = names->lookup.fd, .on_event = on_lookup};
        r = loop_add(names->loop, &names->watch, LOOP_EDGE);
        if (r < 0)
            lookup_finish(&names->lookup);
    }
    if (r >= 0)
        return;
    names->watch.fd = -1;
    names->system_error = r;
    names->system_done = true;
}

static void ask(struct names *names, struct dns_query *query, const char *name, uint16_t type,
                nsec_t deadline)
{
    bool waited_for = query == &names->a || query == &names->aaaa;
    struct dns_ask question = {.loop = names->loop,
                               .resolver = names->options.resolver,
                               .name = name,
                               .type = type,
                               .deadline = deadline,
                               .on_done = waited_for ? on_query : on_other_query,
                               .context = names};

    int r = dns_query_start(query, &question);
    if (r < 0)
        *query = (struct dns_query){.error = r, .done = true};
}

static void ask_dns(struct names *names, nsec_t deadline)
{
    const char *host = names->target->host;

    names->asked_dns = true;
    ask(names, &names->a, host, DNS_A, deadline);
    ask(names, &names->aaaa, host, DNS_AAAA, deadline);
    if (names->only_addresses)
        return;
    scoped(mem_release) char *service =
        names->target->port == TARGET_PORT
            ? mem_string(span_str(host))
            : mem_format("_%u._https.%s", names->target->port, host); /* RFC 9460 section 9.1 */
    ask(names, &names->https, service, DNS_HTTPS, deadline);
    for (const char *at = host; at && names->caa_count < NAMES_CAA_MAX;) {
        ask(names, &names->caa[names->caa_count++], at, DNS_CAA, deadline);
        at = strchr(at, '.');
        at = at ? at + 1 : NULL;
    }
}

/* Names that DNS does not know by their nature: RFC 6761 section 6.3, RFC 6762 section 3. */
static bool is_local_name(struct span host)
{
    return span_equal(host, SPAN("localhost")) || span_ends(host, SPAN(".localhost")) ||
           span_ends(host, SPAN(".local"));
}

static bool take_pins(struct names *names)
{
    for (size_t i = 0; i < names->options.pin_count; i++) {
        const struct name_pin *pin = &names->options.pins[i];
        if (!span_equal_nocase(span_str(pin->name), span_str(names->target->host)))
            continue;
        add(names, &pin->address, true);
        names->pinned = true;
    }
    return names->pinned;
}

void names_start(struct names *names, nsec_t deadline)
{
    names->watch.fd = -1;
    names->timer.on_timeout = on_timeout;
    names->started = nsec_monotonic();
    if (names->target->is_ip)
        add(names, &names->target->ip, true);
    if (take_pins(names) || names->target->is_ip) {
        tell(names);
        return;
    }
    loop_timer_set(names->loop, &names->timer, deadline);
    bool local = is_local_name(span_str(names->target->host));
    if (local || !names->options.only_dns)
        ask_system(names);
    if (!local)
        ask_dns(names, deadline);
}

static bool idle(const struct dns_query *query)
{
    return !query->run || query->done;
}

bool names_done(const struct names *names)
{
    bool done = names->told && idle(&names->a) && idle(&names->aaaa) && idle(&names->https);

    for (size_t i = 0; i < names->caa_count; i++)
        done = done && idle(&names->caa[i]);
    return done;
}

void names_finish(struct names *names)
{
    stop_lookup(names);
    loop_timer_cancel(names->loop, &names->timer);
    dns_query_finish(&names->a);
    dns_query_finish(&names->aaaa);
    dns_query_finish(&names->https);
    for (size_t i = 0; i < names->caa_count; i++)
        dns_query_finish(&names->caa[i]);
}

const struct dns_https *names_https(const struct names *names)
{
    for (size_t i = 0; names->https.done && !names->https.error && i < names->https.answer.count;
         i++)
        if (names->https.answer.records[i].type == DNS_HTTPS)
            return names->https.answer.records[i].https;
    return NULL;
}

const struct dns_answer *names_caa(const struct names *names)
{
    for (size_t i = 0; i < names->caa_count; i++) {
        const struct dns_query *query = &names->caa[i];
        for (size_t k = 0; query->done && !query->error && k < query->answer.count; k++)
            if (query->answer.records[k].type == DNS_CAA)
                return &query->answer;
    }
    return NULL;
}
