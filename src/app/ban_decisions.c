/* Bans are decided here and nowhere else. A ban is written down before it is enforced, in the
 * workers' table at once and in the kernel with the next turn. */
#include "app/ban_decisions.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/ban_never.h"
#include "base/error.h"
#include "base/mem.h"

enum {
    SHOWN_MAX = 40000, /* bans of one answer */
    PENDING_MAX = 200000,
    IPV4_OFFSET = 96,
    NARROW_IPV4 = 8, /* the widest networks that may be banned */
    NARROW_IPV6 = 16,
};

#define FOREVER (INT64_C(100) * 366 * 86400 * NSEC_PER_SEC)
#define NO_END                                                                                     \
    (INT64_C(10) * 366 * 86400 * NSEC_PER_SEC) /* what lasts longer has none for people */

/* ---- who is never banned ---- */

/** @return why a network may not be banned, as a sentence's end, or NULL */
static const char *why_never(const struct ban_decisions *decisions,
                             const struct peer_network *network)
{
    bool ipv4 = peer_address_is_ipv4(network->address) && network->bits >= IPV4_OFFSET;

    if (network->bits < (ipv4 ? IPV4_OFFSET + NARROW_IPV4 : NARROW_IPV6))
        return "is too wide a network: at most /8 of IPv4 and /16 of IPv6 are banned";
    for (size_t i = 0; i < decisions->never_count; i++)
        if (peer_networks_overlap(network, &decisions->never[i]))
            return "is named by `trusted_proxies`, `listen.proxy_protocol.from` or "
                   "`protect.bans.never`";
    return ban_never(network);
}

/* ---- where a ban is enforced ---- */

static void to_kernel(struct ban_decisions *decisions, const struct ban *ban, bool lift, nsec_t now)
{
    bool ipv4 = peer_address_is_ipv4(ban->network.address) && ban->network.bits >= IPV4_OFFSET;
    nsec_t time = ban->until - now;

    if (ban->learned || decisions->kernel_failed || !decisions->settings ||
        !decisions->settings->protect.bans.kernel || decisions->pending_count == PENDING_MAX)
        return;
    if (decisions->pending_count == decisions->pending_room) {
        decisions->pending_room = decisions->pending_room ? 2 * decisions->pending_room : 64;
        decisions->pending =
            mem_resize(decisions->pending, decisions->pending_room, sizeof *decisions->pending);
    }
    struct ban_rule *rule = &decisions->pending[decisions->pending_count++];
    *rule = (struct ban_rule){.ipv6 = !ipv4,
                              .lift = lift,
                              .prefix = ban->network.bits - (ipv4 ? IPV4_OFFSET : 0),
                              .time = time > NO_END ? 0 : time};
    peer_address_text(ban->network.address, rule->address);
}

static void enforce(struct ban_decisions *decisions, const struct ban *ban, nsec_t now)
{
    if (ban_table_set(decisions->table, &ban->network, nsec_monotonic() + (ban->until - now)) < 0)
        process_note(decisions->start, LOG_WARNING,
                     "the table of bans is full: some are enforced in the kernel only");
    to_kernel(decisions, ban, false, now);
}

static void on_end(void *context, const struct ban *ban)
{
    struct ban_decisions *decisions = context;

    ban_table_remove(decisions->table, &ban->network);
}

static void lift(struct ban_decisions *decisions, const struct ban *ban)
{
    struct ban copy = *ban;

    ban_table_remove(decisions->table, &copy.network);
    to_kernel(decisions, &copy, true, nsec_realtime());
    (void)ban_list_lift(&decisions->list, &copy.network);
}

/* ---- the kernel ---- */

static void give_up_kernel(struct ban_decisions *decisions, char *error)
{
    process_note(decisions->start, LOG_WARNING,
                 "bans are enforced by gardien alone, not by the kernel: %s",
                 error ? error : "it may not change nftables (CAP_NET_ADMIN)");
    decisions->kernel_failed = true;
    decisions->kernel_state = "not available";
    decisions->pending_count = 0;
    free(error);
}

static size_t https_ports(const struct settings *settings, uint16_t ports[64])
{
    size_t count = 0;

    for (size_t i = 0; i < settings->listen.https.count && count < 64; i++) {
        ptrdiff_t colon = span_find_last(span_str(settings->listen.https.items[i]), ':');
        uint64_t port;
        if (span_to_uint(span_str(settings->listen.https.items[i] + colon + 1), &port) >= 0 &&
            port > 0 && port <= UINT16_MAX)
            ports[count++] = (uint16_t)port;
    }
    return count;
}

/** The table is made when the first ban comes: who bans nobody has none. */
static int send_pending(struct ban_decisions *decisions, char **ret_error)
{
    uint16_t ports[64];
    size_t done = 0;
    int r = 0;

    if (!decisions->rules.made)
        r = ban_rules_create(&decisions->rules, ports, https_ports(decisions->settings, ports),
                             ret_error);
    while (r >= 0 && done < decisions->pending_count) {
        size_t left = decisions->pending_count - done;
        size_t part = left < BAN_RULES_MAX ? left : BAN_RULES_MAX;
        r = ban_rules_change(&decisions->rules, decisions->pending + done, part, ret_error);
        done += part;
    }
    return r;
}

/** All bans in force are due to the kernel again. */
static void refill(struct ban_decisions *decisions)
{
    const struct ban *ban;
    size_t cursor = 0;
    nsec_t now = nsec_realtime();

    decisions->pending_count = 0;
    decisions->rules.made = false;
    while ((ban = ban_list_next(&decisions->list, &cursor)))
        if (ban->until > now)
            to_kernel(decisions, ban, false, now);
}

static void flush_kernel(struct ban_decisions *decisions)
{
    char *error = NULL;

    if (decisions->pending_count == 0)
        return;
    bool made = decisions->rules.made;
    int r = send_pending(decisions, &error);
    if (r < 0 && made) { /* somebody has removed the table, as `nft flush ruleset` does */
        free(take(error));
        refill(decisions);
        r = send_pending(decisions, &error);
    }
    if (r < 0)
        give_up_kernel(decisions, error);
    else
        decisions->kernel_state = "on";
    decisions->pending_count = 0;
}

/** The settings say anew which ports are meant, and whether the kernel is. */
static void renew_kernel(struct ban_decisions *decisions)
{
    char *error = NULL;

    if (decisions->rules.made && ban_rules_remove(&decisions->rules, &error) < 0)
        free(error);
    decisions->kernel_failed = false;
    decisions->kernel_state = decisions->settings->protect.bans.kernel ? "on" : "off";
    refill(decisions);
}

/* ---- bans ---- */

static void write_down(struct ban_decisions *decisions, int r)
{
    if (r < 0)
        process_note(decisions->start, LOG_WARNING,
                     "a ban cannot be written down, and ends with this process: %s", error_text(r));
}

static void note_ban(const struct ban_decisions *decisions, const struct ban *ban, nsec_t now)
{
    char network[PEER_NETWORK_TEXT];

    peer_network_text(&ban->network, network);
    process_note(decisions->start, LOG_NOTICE, "%s is banned for %lld s (%s, ban number %u)%s%s",
                 network, (long long)((ban->until - now) / NSEC_PER_SEC),
                 ban_cause_name(ban->cause), ban->strikes, ban->why[0] ? ": " : "", ban->why);
}

/** @return the ban, or NULL when there are too many */
static const struct ban *add(struct ban_decisions *decisions, const struct ban *wanted, nsec_t time)
{
    nsec_t now = nsec_realtime();
    const struct ban *ban = ban_list_add(&decisions->list, wanted, time, now);

    if (!ban) {
        process_note(decisions->start, LOG_WARNING, "no more than %zu bans are kept",
                     decisions->list.limit);
        return NULL;
    }
    if (ban->since != now)
        return ban; /* it is in force already */
    if (decisions->has_journal && ban->cause != BAN_BY_SETTINGS)
        write_down(decisions, ban_journal_add(&decisions->journal, ban));
    enforce(decisions, ban, now);
    if (ban->cause != BAN_BY_SETTINGS)
        note_ban(decisions, ban, now);
    return ban;
}

void ban_decisions_report(struct ban_decisions *decisions, const struct ban_report *report)
{
    static const char *const why[BAN_CAUSES] = {
        [BAN_BY_WAF] = "the web application firewall refused its requests",
        [BAN_BY_RATE] = "it went on while its requests were refused by a rate",
        [BAN_BY_NOT_FOUND] = "it asked for much that is not there",
        [BAN_BY_LOGINS] = "its logins failed",
    };
    struct ban wanted = {.cause = (enum ban_cause)report->cause, .learned = report->learned};
    const struct settings *settings = decisions->settings;
    char network[PEER_NETWORK_TEXT];

    if (!settings || settings->protect.bans.mode == 0 || report->cause >= BAN_CAUSES ||
        !why[report->cause])
        return;
    wanted.network =
        (struct peer_network){report->address, peer_address_is_ipv4(report->address) ? 128u : 64u};
    if (ban_list_find(&decisions->list, report->address, nsec_realtime()))
        return;
    const char *never = why_never(decisions, &wanted.network);
    peer_network_text(&wanted.network, network);
    if (never || settings->protect.bans.mode == 1) {
        process_note(decisions->start, LOG_NOTICE, "%s is not banned (%s), since it %s", network,
                     ban_cause_name(wanted.cause), never ? never : "is only watched");
        return;
    }
    snprintf(wanted.why, sizeof wanted.why, "%s", why[report->cause]);
    (void)add(decisions, &wanted, settings->protect.bans.time);
}

/* ---- settings ---- */

static void add_never(struct ban_decisions *decisions, const struct config_strings *networks)
{
    decisions->never = mem_resize(decisions->never, decisions->never_count + networks->count + 1,
                                  sizeof *decisions->never);
    for (size_t i = 0; i < networks->count; i++)
        if (peer_network_parse(span_str(networks->items[i]),
                               &decisions->never[decisions->never_count]) >= 0)
            decisions->never_count++;
}

static bool is_always(const struct settings *settings, const struct ban *ban)
{
    const struct config_strings *always = &settings->protect.bans.always;

    for (size_t i = 0; i < always->count; i++) {
        struct peer_network network;
        if (peer_network_parse(span_str(always->items[i]), &network) >= 0 &&
            network.bits == ban->network.bits && peer_networks_overlap(&network, &ban->network))
            return true;
    }
    return false;
}

/** Bans that settings named before and do not name any more, and those of who is never banned now.
 */
static void lift_unwanted(struct ban_decisions *decisions)
{
    const struct ban *ban;
    size_t cursor = 0;

    while ((ban = ban_list_next(&decisions->list, &cursor))) {
        bool never = false;
        for (size_t i = 0; i < decisions->never_count; i++)
            never |= peer_networks_overlap(&ban->network, &decisions->never[i]);
        if (!never && (ban->cause != BAN_BY_SETTINGS || is_always(decisions->settings, ban)))
            continue;
        if (decisions->has_journal && ban->cause != BAN_BY_SETTINGS)
            write_down(decisions, ban_journal_lift(&decisions->journal, &ban->network));
        lift(decisions, ban);
    }
}

static void add_always(struct ban_decisions *decisions)
{
    const struct config_strings *always = &decisions->settings->protect.bans.always;

    for (size_t i = 0; i < always->count; i++) {
        struct ban wanted = {.cause = BAN_BY_SETTINGS, .why = "the settings say so"};
        if (peer_network_parse(span_str(always->items[i]), &wanted.network) < 0)
            continue;
        const char *never = why_never(decisions, &wanted.network);
        if (never)
            process_note(decisions->start, LOG_WARNING, "%s of `protect.bans.always` %s",
                         always->items[i], never);
        else
            (void)add(decisions, &wanted, FOREVER);
    }
}

static void load_journal(struct ban_decisions *decisions, const int files[2])
{
    const struct ban *ban;
    size_t cursor = 0;
    nsec_t now = nsec_realtime();

    decisions->journal = (struct ban_journal){.fds = {files[0], files[1]}};
    int r = ban_journal_load(&decisions->journal, &decisions->list);
    if (r >= 0)
        r = ban_journal_rewrite(&decisions->journal, &decisions->list);
    decisions->has_journal = r >= 0;
    if (r < 0)
        process_note(decisions->start, LOG_WARNING, "bans are not kept over a restart: %s",
                     error_text(r));
    while ((ban = ban_list_next(&decisions->list, &cursor)))
        if (ban->until > now)
            enforce(decisions, ban, now);
}

/** Whether the kernel is to be told of other ports, or anything at all. */
static bool meant_otherwise(const struct settings *before, const struct settings *now)
{
    uint16_t ports[2][64];
    size_t count = https_ports(before, ports[0]);

    return before->protect.bans.kernel != now->protect.bans.kernel ||
           count != https_ports(now, ports[1]) ||
           memcmp(ports[0], ports[1], count * sizeof ports[0][0]) != 0;
}

void ban_decisions_set(struct ban_decisions *decisions, struct settings *settings,
                       const int files[2])
{
    bool first = decisions->settings == NULL;
    bool renews = !first && meant_otherwise(decisions->settings, settings);

    settings_destroy(decisions->settings);
    decisions->settings = settings;
    decisions->list.max = settings->protect.bans.max;
    decisions->never_count = 0;
    add_never(decisions, &settings->trusted_proxies);
    add_never(decisions, &settings->listen.proxy_protocol.from);
    add_never(decisions, &settings->protect.bans.never);
    if (renews)
        renew_kernel(decisions);
    if (!settings->protect.bans.kernel)
        decisions->kernel_state = "off";
    if (first && files[0] >= 0 && files[1] >= 0)
        load_journal(decisions, files);
    else
        for (size_t i = 0; i < 2; i++)
            if (files[i] >= 0)
                close(files[i]);
    lift_unwanted(decisions);
    add_always(decisions);
}

void ban_decisions_init(struct ban_decisions *decisions, const struct process_start *start)
{
    uint64_t secret[2] = {0};

    *decisions = (struct ban_decisions){.start = start, .kernel_state = "on"};
    ssize_t n = getrandom(secret, sizeof secret, 0);
    (void)n; /* 16 bytes always come */
    ban_list_init(&decisions->list, secret);
    decisions->table = start->shared->bans;
    ban_table_clear(decisions->table);
}

void ban_decisions_finish(struct ban_decisions *decisions)
{
    char *error = NULL;

    if (decisions->stops && decisions->rules.made &&
        ban_rules_remove(&decisions->rules, &error) < 0)
        free(error);
    ban_list_finish(&decisions->list);
    settings_destroy(decisions->settings);
    free(decisions->never);
    free(decisions->pending);
}

void ban_decisions_turn(struct ban_decisions *decisions)
{
    ban_list_expire(&decisions->list, nsec_realtime(), on_end, decisions);
    if (decisions->has_journal && ban_journal_is_long(&decisions->journal, &decisions->list))
        write_down(decisions, ban_journal_rewrite(&decisions->journal, &decisions->list));
    flush_kernel(decisions);
}

/* ---- what people ask ---- */

static json_t *failure(const char *what, const char *why)
{
    scoped(mem_release) char *sentence = mem_format("%s %s", what, why);

    return json_pack("{s:b, s:[{s:s, s:s}]}", "ok", 0, "diags", "grade", "error", "sentence",
                     sentence);
}

static json_t *ban_json(const struct ban_decisions *decisions, const struct ban *ban, nsec_t now)
{
    char network[PEER_NETWORK_TEXT];
    bool endless = ban->until - now > NO_END;
    nsec_t seconds_left = (ban->until - now + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
    bool kernel = !ban->learned && decisions->rules.made && !decisions->kernel_failed;

    peer_network_text(&ban->network, network);
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:s, s:b}", "network", network, "cause",
                  ban_cause_name(ban->cause), "since", (json_int_t)(ban->since / NSEC_PER_SEC),
                  "strikes", (json_int_t)ban->strikes, "why", ban->why, "kernel", (int)kernel);
    json_object_set_new(object, "until",
                        endless ? json_null()
                                : json_integer((json_int_t)(ban->until / NSEC_PER_SEC)));
    json_object_set_new(object, "seconds_left",
                        endless ? json_null() : json_integer((json_int_t)seconds_left));
    return object;
}

/** Those in force, or only those that cover an address. */
static json_t *list_bans(const struct ban_decisions *decisions, const char *address)
{
    json_t *bans = json_array();
    nsec_t now = nsec_realtime();
    const struct ban *ban;
    struct peer_address only;
    size_t cursor = 0, count = 0;

    if (address && peer_address_parse(span_str(address), &only) < 0) {
        json_decref(bans);
        return failure(address, "is no address");
    }
    while ((ban = ban_list_next(&decisions->list, &cursor))) {
        if (ban->until <= now || (address && !peer_network_contains(&ban->network, only)))
            continue;
        if (++count <= SHOWN_MAX)
            json_array_append_new(bans, ban_json(decisions, ban, now));
    }
    return json_pack("{s:b, s:I, s:s, s:o}", "ok", 1, "count", (json_int_t)count, "kernel",
                     decisions->kernel_state, "bans", bans);
}

static json_t *ban_by_hand(struct ban_decisions *decisions, const char *text, const json_t *request)
{
    const char *why = json_string_value(json_object_get(request, "why"));
    const char *self = json_string_value(json_object_get(request, "self"));
    nsec_t time = (nsec_t)json_integer_value(json_object_get(request, "time"));
    struct ban wanted = {.cause = BAN_BY_HAND};
    struct peer_address own;

    if (peer_network_parse(span_str(text), &wanted.network) < 0)
        return failure(text, "is neither an address nor a network such as 192.0.2.0/24");
    const char *never = why_never(decisions, &wanted.network);
    if (!never && self && peer_address_parse(span_str(self), &own) >= 0 &&
        peer_network_contains(&wanted.network, own))
        never = "is where you are logged in from";
    if (never)
        return failure(text, never);
    snprintf(wanted.why, sizeof wanted.why, "%s", why ? why : "");
    if (time <= 0 || time > FOREVER)
        time = decisions->settings->protect.bans.time;
    const struct ban *ban = add(decisions, &wanted, time);
    if (!ban)
        return failure(text, "is not banned: there are too many bans");
    ban_decisions_turn(decisions);
    return json_pack("{s:b, s:o}", "ok", 1, "ban", ban_json(decisions, ban, nsec_realtime()));
}

/** The ban of that very network; of an address, also the one that covers it. */
static const struct ban *find_ban(const struct ban_decisions *decisions,
                                  const struct peer_network *network)
{
    const struct ban *ban;
    size_t cursor = 0;
    nsec_t now = nsec_realtime();

    while ((ban = ban_list_next(&decisions->list, &cursor)))
        if (ban->until > now && ban->network.bits == network->bits &&
            peer_network_contains(&ban->network, network->address))
            return ban;
    return network->bits == 128 ? ban_list_find(&decisions->list, network->address, now) : NULL;
}

static json_t *lift_by_hand(struct ban_decisions *decisions, const char *text)
{
    struct peer_network network;

    if (peer_network_parse(span_str(text), &network) < 0)
        return failure(text, "is neither an address nor a network such as 192.0.2.0/24");
    const struct ban *ban = find_ban(decisions, &network);
    if (!ban)
        return failure(text, "is not banned");
    if (ban->cause == BAN_BY_SETTINGS)
        return failure(text, "is banned by `protect.bans.always` of the settings");
    json_t *object = ban_json(decisions, ban, nsec_realtime());
    network = ban->network;
    if (decisions->has_journal)
        write_down(decisions, ban_journal_lift(&decisions->journal, &network));
    lift(decisions, ban);
    process_note(decisions->start, LOG_NOTICE, "the ban of %s is lifted by hand",
                 json_string_value(json_object_get(object, "network")));
    ban_decisions_turn(decisions);
    return json_pack("{s:b, s:o}", "ok", 1, "ban", object);
}

json_t *ban_decisions_ask(struct ban_decisions *decisions, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "do"));
    const char *network = json_string_value(json_object_get(request, "network"));

    if (!decisions->settings)
        return failure("gardien", "has just started: ask again");
    if (verb && strcmp(verb, "stop") == 0) {
        decisions->stops = true;
        return json_pack("{s:b}", "ok", 1);
    }
    if (verb && strcmp(verb, "bans") == 0)
        return list_bans(decisions, network);
    if (!verb || !network)
        return failure("the request", "names no address");
    return strcmp(verb, "ban") == 0 ? ban_by_hand(decisions, network, request)
                                    : lift_by_hand(decisions, network);
}
