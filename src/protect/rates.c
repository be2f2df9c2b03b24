/* Finds the key of a request for each rule and asks the shared table. IPv6 addresses count as /64;
 * their /56 and /48 have sixteen and 256 times the rate, so that whoever has a large network does
 * not multiply it without end. */
#include "protect/rates.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "protect/notes.h"
#include "protect/peer_network.h"
#include "protect/peers.h"

enum { FIELDS = 3, NAME_MAX_SHOWN = 40 };

#define INTERVAL_MIN (NSEC_PER_SEC / 20000) /* of which a microsecond is 2 % */

static const char too_many[] = "more requests than a rate allows";

/* ---- settings ---- */

int rate_parse(const char *text, uint32_t *ret_count, nsec_t *ret_window)
{
    static const struct {
        const char *unit;
        nsec_t window;
    } units[] = {{"s", NSEC_PER_SEC},
                 {"m", 60 * NSEC_PER_SEC},
                 {"h", 3600 * NSEC_PER_SEC},
                 {"d", 86400 * NSEC_PER_SEC}};
    struct span rest = span_str(text), count;
    uint64_t number;

    if (!span_next(&rest, '/', &count) || span_to_uint(span_trim(count), &number) < 0)
        return ERR_SYNTAX;
    if (number == 0 || number > 1000000)
        return ERR_LIMIT;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (span_equal(span_trim(rest), span_str(units[i].unit))) {
            *ret_count = (uint32_t)number;
            *ret_window = units[i].window;
            return *ret_window / (nsec_t)number >= INTERVAL_MIN ? 0 : ERR_LIMIT;
        }
    return ERR_SYNTAX;
}

static const char *check_rate(const char *text)
{
    uint32_t count;
    nsec_t window;
    int r = rate_parse(text, &count, &window);

    return r == ERR_LIMIT ? "is out of range: at least one, and at most 20000/s"
           : r < 0        ? "is no rate: write a number and s, m, h or d, as in 20/s"
                          : NULL;
}

static const char *check_key(const char *text)
{
    struct span key = span_str(text);

    if (span_equal(key, SPAN("address")) || span_equal(key, SPAN("path")))
        return NULL;
    return (span_starts(key, SPAN("header:")) || span_starts(key, SPAN("cookie:"))) && key.len > 7
               ? NULL
               : "is none of address, path, header:NAME and cookie:NAME";
}

static const char *check_name(const char *text)
{
    for (const char *at = text; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *at))
            return "has a character beside letters, digits, -, _ and .";
    return *text && strlen(text) <= NAME_MAX_SHOWN ? NULL : "has no or more than 40 characters";
}

const struct config_row rate_rows[] = {
    {.name = "name",
     .type = CONFIG_STRING,
     .offset = offsetof(struct rate_settings, name),
     .def = "rate",
     .check = check_name,
     .help = "how the log and the RateLimit fields call it",
     .example = "login"},
    {.name = "key",
     .type = CONFIG_STRING,
     .offset = offsetof(struct rate_settings, key),
     .def = "address",
     .check = check_key,
     .help = "what is counted apart: address (IPv6 by /64), path, header:NAME or cookie:NAME; "
             "requests without that header or cookie are counted by address. A client can send any "
             "header: let a rate by address stand beside it",
     .example = "header:X-Api-Key"},
    {.name = "rate",
     .type = CONFIG_STRING,
     .offset = offsetof(struct rate_settings, rate),
     .required = true,
     .check = check_rate,
     .help = "how many requests each second (s), minute (m), hour (h) or day (d)",
     .example = "20/s"},
    {.name = "burst",
     .type = CONFIG_INT,
     .offset = offsetof(struct rate_settings, burst),
     .max = 1000000,
     .def = "0",
     .help = "how many may come at once; 0 is as many as `rate` says"},
    {.name = "path",
     .type = CONFIG_STRING,
     .offset = offsetof(struct rate_settings, path),
     .check = protect_path_check,
     .help = "only requests for this path and what lies beneath count; by default all do",
     .example = "/login"},
    {.name = "methods",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct rate_settings, methods),
     .max = 16,
     .help = "only requests with these methods count; by default all do",
     .example = "[POST]"},
    CONFIG_END,
};

static uint64_t rule_id(const struct rate_settings *settings, struct span scope)
{
    static const uint64_t nothing[2];
    scoped(mem_release) char *text = mem_format(
        "%.*s\n%s\n%s\n%s\n%lld\n%s", SPAN_ARGS(scope), settings->name, settings->key,
        settings->rate, (long long)settings->burst, settings->path ? settings->path : "");

    return hash_bytes(span_str(text), nothing);
}

static void read_key(const char *key, struct rate_rule *rule)
{
    static const char *const words[] = {[RATE_BY_ADDRESS] = "address",
                                        [RATE_BY_PATH] = "path",
                                        [RATE_BY_HEADER] = "header:",
                                        [RATE_BY_COOKIE] = "cookie:"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t len = strlen(words[i]);
        if (strncmp(key, words[i], len) != 0)
            continue;
        rule->kind = (enum rate_kind)i;
        if (i >= RATE_BY_HEADER)
            rule->field = mem_string(span_str(key + len));
    }
    for (char *at = rule->field; at && *at && rule->kind == RATE_BY_HEADER; at++)
        *at = ascii_lower(*at);
}

void rate_rules_create(const struct config_list *settings, struct span scope,
                       struct rate_rules *ret_rules)
{
    const struct rate_settings *items = settings->items;

    *ret_rules = (struct rate_rules){mem_zalloc(settings->count * sizeof *ret_rules->items), 0};
    for (size_t i = 0; i < settings->count; i++) {
        struct rate_rule *rule = &ret_rules->items[ret_rules->count];
        if (rate_parse(items[i].rate, &rule->quota, &rule->window) < 0)
            continue; /* checked before */
        rule->settings = &items[i];
        rule->id = rule_id(&items[i], scope);
        read_key(items[i].key, rule);
        rule->rate.interval = rule->window / rule->quota;
        nsec_t burst = items[i].burst ? items[i].burst : rule->quota;
        if (burst > RATE_WINDOW_MAX / rule->rate.interval)
            burst = RATE_WINDOW_MAX / rule->rate.interval;
        rule->rate.burst = (uint32_t)burst;
        ret_rules->count++;
    }
}

void rate_rules_finish(struct rate_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        free(rules->items[i].field);
    free(rules->items);
    *rules = (struct rate_rules){NULL, 0};
}

/* ---- keys ---- */

bool rate_rule_concerns(const struct rate_rule *rule, const struct protect_question *question)
{
    const struct config_strings *methods = &rule->settings->methods;
    bool listed = methods->count == 0;

    for (size_t i = 0; !listed && i < methods->count; i++)
        listed = span_equal(span_str(methods->items[i]), question->exchange->request.method_text);
    if (!listed || !rule->settings->path)
        return listed;
    return protect_path_beneath(question->path, span_str(rule->settings->path));
}

/** The value of a cookie; ptr NULL without. */
static struct span find_cookie(const struct http_fields *fields, struct span name)
{
    struct span pair, key;

    for (unsigned i = 0; i < fields->count; i++) {
        struct span rest = fields->items[i].value;
        if (!span_equal(fields->items[i].name, SPAN("cookie")))
            continue;
        while (span_next(&rest, ';', &pair)) {
            pair = span_trim(pair);
            if (span_next(&pair, '=', &key) && span_equal(key, name))
                return pair;
        }
    }
    return (struct span){NULL, 0};
}

/** The bytes that tell a rule's clients apart; ptr NULL: the request has none. */
static struct span find_key(const struct rate_rule *rule, const struct protect_question *question)
{
    const struct http_fields *fields = &question->exchange->request.fields;

    switch (rule->kind) {
    case RATE_BY_PATH:
        return question->path;
    case RATE_BY_HEADER:
        return http_value(fields, span_str(rule->field));
    case RATE_BY_COOKIE:
        return find_cookie(fields, span_str(rule->field));
    default:
        return (struct span){NULL, 0};
    }
}

/** By address: IPv6 by /48, /56 and /64, of which the last one's state is told. */
static struct rate_state take_address(struct rate_table *table, const struct rate_rule *rule,
                                      const struct protect_question *question)
{
    static const struct {
        unsigned bits;
        uint32_t factor;
    } wider[] = {{48, 256}, {56, 16}};
    struct peer_address address = question->address;
    uint64_t keys[ARRAY_SIZE(wider)];
    struct rate rates[ARRAY_SIZE(wider)];
    size_t count = peer_address_is_ipv4(address) ? 0 : ARRAY_SIZE(wider);
    struct rate_state state;

    for (size_t i = 0; i < count; i++) {
        struct peer_address network = peer_network_mask(address, wider[i].bits);
        keys[i] = rate_key(table, rule->id + wider[i].bits,
                           span_of((const char *)network.bytes, sizeof network.bytes));
        rates[i].interval = rule->rate.interval / wider[i].factor;
        rates[i].burst = rule->rate.burst * wider[i].factor;
        state = rate_look(table, keys[i], &rates[i], question->now);
        if (!state.allowed)
            return state;
    }
    uint64_t key = rate_key(
        table, rule->id, span_of((const char *)address.bytes, peer_address_significant(address)));
    state = rate_take(table, key, &rule->rate, question->now);
    for (size_t i = 0; state.allowed && i < count; i++)
        (void)rate_take(table, keys[i], &rates[i], question->now);
    return state;
}

static struct rate_state take_one(struct rate_table *table, const struct rate_rule *rule,
                                  const struct protect_question *question)
{
    struct span key = find_key(rule, question);

    if (!key.ptr)
        return take_address(table, rule, question);
    return rate_take(table, rate_key(table, rule->id, key), &rule->rate, question->now);
}

/* ---- the verdict ---- */

static long long seconds_up(nsec_t time)
{
    return (time + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
}

/** 429 with Retry-After (RFC 6585 section 4) and the fields of draft-ietf-httpapi-ratelimit-headers
 *  (version 10). */
static struct verdict refuse(struct protect_question *question, const struct rate_rule *rule,
                             const struct rate_state *state)
{
    struct arena *arena = &question->exchange->arena;
    struct verdict verdict = verdict_refuse(429, too_many);
    long long wait = state->wait ? seconds_up(state->wait) : 1;
    struct http_field *fields = arena_alloc(arena, FIELDS * sizeof *fields);

    if (!fields)
        return verdict;
    fields[0] = (struct http_field){SPAN("retry-after"), arena_printf(arena, "%lld", wait)};
    fields[1] = (struct http_field){SPAN("ratelimit-policy"),
                                    arena_printf(arena, "\"%s\";q=%u;w=%lld", rule->settings->name,
                                                 rule->quota, seconds_up(rule->window))};
    fields[2] = (struct http_field){
        SPAN("ratelimit"), arena_printf(arena, "\"%s\";r=0;t=%lld", rule->settings->name, wait)};
    if (fields[0].value.ptr && fields[1].value.ptr && fields[2].value.ptr)
        verdict.fields = (struct http_fields){fields, FIELDS, FIELDS};
    return verdict;
}

static struct verdict on_request(void *policy, struct protect_question *question, unsigned number)
{
    struct rates *rates = policy;
    const struct protect_rules *rules = question->rules;

    if (!rules || rules->rate_mode <= PROTECT_OFF)
        return verdict_pass();
    for (size_t level = 0; level < PROTECT_LEVELS; level++)
        for (size_t i = 0; rules->rates[level] && i < rules->rates[level]->count; i++) {
            const struct rate_rule *rule = &rules->rates[level]->items[i];
            if (!rate_rule_concerns(rule, question))
                continue;
            struct rate_state state = take_one(rates->table, rule, question);
            if (likely(state.allowed))
                continue;
            bool on = rules->rate_mode == PROTECT_ON;
            protect_note(rates->notes, question, rule->settings->name, on, too_many);
            question->watched |= on ? 0 : 1u << number;
            if (on)
                return refuse(question, rule, &state);
        }
    return verdict_pass();
}

const struct protect_policy rates_policy = {.name = "rates", .on_request = on_request};

/* ---- requests at once ---- */

static struct verdict on_begin(void *policy, struct protect_question *question, unsigned number)
{
    static const char reason[] = "too many requests of this address at once";
    struct requests_at_once *own = policy;

    if (likely(own->max == 0))
        return verdict_pass();
    if (peers_enter(own->peers, own->worker, question->address, own->max)) {
        question->state[number] = own; /* counted */
        return verdict_pass();
    }
    protect_note(own->notes, question, "requests_per_address", true, reason);
    struct verdict verdict = verdict_refuse(429, reason);
    struct http_field *field = arena_alloc(&question->exchange->arena, sizeof *field);
    if (field) {
        *field = (struct http_field){SPAN("retry-after"), SPAN("1")};
        verdict.fields = (struct http_fields){field, 1, 1};
    }
    return verdict;
}

static void on_end(void *policy, struct protect_question *question, unsigned number,
                   enum http_end end)
{
    struct requests_at_once *own = policy;

    (void)end;
    if (question->state[number])
        peers_leave(own->peers, own->worker, question->address);
}

const struct protect_policy requests_at_once_policy = {
    .name = "requests_per_address", .on_request = on_begin, .on_closed = on_end};
