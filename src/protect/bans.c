/* Counts, by address, what ends as banned: answers 404, refusals by the web application firewall
 * and by rates, failed logins. The counts are in the table that all workers share. */
#include "protect/bans.h"

#include "base/error.h"
#include "protect/notes.h"
#include "protect/rates.h"
#include "protect/waf/policy.h"

#define DAYS(n) ((n)*INT64_C(86400) * NSEC_PER_SEC)

static const char banned[] = "the address is banned";
static const char *const modes[] = {"off", "watch", "on", NULL};

static const char *check_allowed(const char *text)
{
    uint32_t count;
    nsec_t window;

    if (strcmp(text, "off") == 0)
        return NULL;
    return rate_parse(text, &count, &window) < 0
               ? "is no rate: write a number and s, m, h or d, as "
                 "in 60/m, or off"
               : NULL;
}

#define ALLOWED(key, text, words)                                                                  \
    {                                                                                              \
        .name = #key, .type = CONFIG_STRING, .offset = offsetof(struct bans_settings, key),        \
        .def = "off", .check = check_allowed, .off = true, .help = words, .example = text          \
    }

const struct config_row bans_rows[] = {
    {.name = "mode",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct bans_settings, mode),
     .def = "on",
     .choices = modes,
     .help = "off: there are no bans; watch: who exceeds the counts below is only logged; on: is "
             "banned. `gardien ban` works with watch and on"},
    {.name = "time",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct bans_settings, time),
     .min = NSEC_PER_SEC,
     .max = DAYS(366),
     .def = "10m",
     .help = "how long a first ban lasts; each further one of the same address lasts twice as long "
             "as the one before"},
    {.name = "max",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct bans_settings, max),
     .min = NSEC_PER_SEC,
     .max = DAYS(366),
     .def = "7d",
     .help = "the longest of those bans"},
    {.name = "never",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct bans_settings, never),
     .max = 1000,
     .check = peer_network_check,
     .help = "addresses and networks that are never banned. This machine, its gateways, trusted "
             "proxies, and who is logged in by SSH never are",
     .example = "[192.0.2.0/24]"},
    {.name = "always",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct bans_settings, always),
     .max = 10000,
     .check = peer_network_check,
     .help = "addresses and networks that are banned for as long as they stand here",
     .example = "[198.51.100.0/24]"},
    ALLOWED(not_found, "60/m", "how many answers 404 an address may get before it is banned"),
    ALLOWED(waf, "5/m",
            "how many requests of an address the web application firewall may refuse before it is "
            "banned"),
    ALLOWED(rates, "60/m",
            "how many requests of an address `rates` may refuse before it is banned"),
    ALLOWED(logins, "10/h",
            "how many logins of an address may fail before it is banned; a login failed when a "
            "route answers with its `login_failed`"),
    {.name = "kernel",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct bans_settings, kernel),
     .def = "on",
     .help = "packets of who is banned are dropped by the kernel (nftables), on the ports of "
             "`listen.https`; where that cannot be, and for addresses that a trusted proxy names, "
             "gardien itself refuses them"},
    CONFIG_END,
};

static struct rate read_allowed(const char *text)
{
    uint32_t count;
    nsec_t window;

    if (!text || strcmp(text, "off") == 0 || rate_parse(text, &count, &window) < 0)
        return (struct rate){0, 0};
    return (struct rate){window / count, count};
}

void bans_set(struct bans *bans, const struct bans_settings *settings)
{
    bans->reports = settings && settings->mode != 0 && bans->report;
    if (!bans->reports)
        return;
    bans->allowed[BAN_BY_NOT_FOUND] = read_allowed(settings->not_found);
    bans->allowed[BAN_BY_WAF] = read_allowed(settings->waf);
    bans->allowed[BAN_BY_RATE] = read_allowed(settings->rates);
    bans->allowed[BAN_BY_LOGINS] = read_allowed(settings->logins);
}

static struct verdict on_request(void *policy, struct protect_question *question, unsigned number)
{
    struct bans *bans = policy;
    nsec_t until = ban_table_find(bans->table, question->address, question->now);

    (void)number;
    if (likely(until == 0))
        return verdict_pass();
    protect_note(bans->notes, question, "bans", true, banned);
    struct verdict verdict = verdict_refuse(403, banned);
    struct arena *arena = &question->exchange->arena;
    struct http_field *field = arena_alloc(arena, sizeof *field);
    struct span wait = arena_printf(
        arena, "%lld", (long long)((until - question->now + NSEC_PER_SEC - 1) / NSEC_PER_SEC));
    if (field && wait.ptr) {
        *field = (struct http_field){SPAN("retry-after"), wait};
        verdict.fields = (struct http_fields){field, 1, 1};
    }
    return verdict;
}

/** Why a request counts against its address; BAN_CAUSES: it does not. */
static enum ban_cause cause_of(const struct protect_question *question)
{
    const struct http_exchange *x = question->exchange;
    int status = x->responded ? x->response.status : 0;

    if (question->refused_by == &waf_policy)
        return BAN_BY_WAF;
    if (question->refused_by == &rates_policy)
        return BAN_BY_RATE;
    if (question->refused_by == &bans_policy)
        return BAN_CAUSES;
    if (question->rules && question->rules->login_failed && status == question->rules->login_failed)
        return BAN_BY_LOGINS;
    return status == 404 ? BAN_BY_NOT_FOUND : BAN_CAUSES;
}

static void on_closed(void *policy, struct protect_question *question, unsigned number,
                      enum http_end end)
{
    struct bans *bans = policy;
    enum ban_cause cause = cause_of(question);

    (void)number, (void)end;
    if (likely(cause == BAN_CAUSES) || !bans->reports || bans->allowed[cause].burst == 0)
        return;
    struct span client =
        span_of((const char *)question->address.bytes, peer_address_significant(question->address));
    uint64_t key = rate_key(bans->rates, UINT64_MAX - cause, client);
    if (rate_take(bans->rates, key, &bans->allowed[cause], question->now).allowed)
        return;
    const struct ban_report report = {
        question->address, question->address_learned || question->client->named, (uint8_t)cause};
    bans->report(bans->context, &report);
}

const struct protect_policy bans_policy = {
    .name = "bans", .on_request = on_request, .on_closed = on_closed};
