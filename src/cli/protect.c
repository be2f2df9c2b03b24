/* `gardien protect`: what defends, and what it says of one request. */
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/mem.h"
#include "cli/bans.h"
#include "cli/cli.h"
#include "cli/explain.h"
#include "config/config.h"
#include "report/printer.h"
#include "report/table.h"

#define PATIENCE (10 * NSEC_PER_SEC)

static const struct option protect_options[] = {
    {"curl", "COMMAND", false, "explain: the request that this command line of curl sends", NULL},
    {"log", "LINE", false, "explain: the request of this line of the access log", NULL},
    {"from", "ADDRESS", false, "explain: as if it came from this address", NULL},
    {"host", "NAME", false, "explain: for this site, where the line names none", NULL},
    OPTION_STATE,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_END,
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* ---- status ---- */

static void print_counts(const struct printer *printer, const json_t *counts)
{
    static const char *const titles[] = {"in the last hour", "refused", "watched"};
    struct table table = {.columns = ARRAY_SIZE(titles), .labels = titles, .headed = true};
    char text[24];

    for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
        table_add(&table, STYLE_BOLD, titles[i]);
    for (size_t i = 0; i < json_array_size(counts); i++) {
        const json_t *one = json_array_get(counts, i);
        table_add(&table, STYLE_PLAIN, text_of(one, "policy"));
        snprintf(text, sizeof text, "%lld", number_of(one, "refused"));
        table_add(&table, STYLE_PLAIN, text);
        snprintf(text, sizeof text, "%lld", number_of(one, "watched"));
        table_add(&table, STYLE_PLAIN, text);
    }
    table_print(printer, &table);
    table_finish(&table);
}

static void add_rules(struct table *table, const char *name, const json_t *object)
{
    static const char *const keys[] = {"addresses",    "waf",     "malware",          "secrets",
                                       "cross_origin", "cookies", "security_headers", "rate_mode"};
    const json_t *rules = json_object_get(object, "rules");

    table_add(table, STYLE_BOLD, name);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        table_add(table, STYLE_PLAIN, text_of(rules, keys[i]));
}

static void print_sites(const struct printer *printer, const json_t *sites)
{
    static const char *const titles[] = {"rules of", "addresses", "waf",
                                         "malware",  "secrets",   "cross_origin",
                                         "cookies",  "headers",   "rates"};
    struct table table = {.columns = ARRAY_SIZE(titles), .labels = titles, .headed = true};

    for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
        table_add(&table, STYLE_BOLD, titles[i]);
    for (size_t s = 0; s < json_array_size(sites); s++) {
        const json_t *site = json_array_get(sites, s), *routes = json_object_get(site, "routes");
        add_rules(&table, text_of(site, "name"), site);
        for (size_t i = 0; i < json_array_size(routes); i++) {
            const json_t *route = json_array_get(routes, i);
            scoped(mem_release) char *name =
                mem_format("%s%s", text_of(site, "name"), text_of(route, "path"));
            add_rules(&table, name, route);
        }
    }
    table_print(printer, &table);
    table_finish(&table);
}

static void add_rates(struct table *table, const char *where, const json_t *rates)
{
    for (size_t i = 0; i < json_array_size(rates); i++) {
        const json_t *rate = json_array_get(rates, i);
        table_add(table, STYLE_BOLD, text_of(rate, "name"));
        table_add(table, STYLE_PLAIN, text_of(rate, "rate"));
        table_add(table, STYLE_PLAIN, text_of(rate, "key"));
        table_add(table, STYLE_PLAIN, where);
        table_add(table, STYLE_PLAIN, text_of(rate, "path"));
    }
}

static void print_rates(const struct printer *printer, const json_t *answer)
{
    static const char *const titles[] = {"rate", "allowed", "by", "of", "path"};
    struct table table = {.columns = ARRAY_SIZE(titles), .labels = titles, .headed = true};
    const json_t *sites = json_object_get(answer, "sites");

    for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
        table_add(&table, STYLE_BOLD, titles[i]);
    add_rates(&table, "all sites", json_object_get(answer, "rates"));
    for (size_t s = 0; s < json_array_size(sites); s++) {
        const json_t *site = json_array_get(sites, s), *routes = json_object_get(site, "routes");
        add_rates(&table, text_of(site, "name"), json_object_get(site, "rates"));
        for (size_t i = 0; i < json_array_size(routes); i++) {
            const json_t *route = json_array_get(routes, i);
            scoped(mem_release) char *where =
                mem_format("%s%s", text_of(site, "name"), text_of(route, "path"));
            add_rates(&table, where, json_object_get(route, "rates"));
        }
    }
    if (table.count > ARRAY_SIZE(titles)) {
        putchar('\n');
        table_print(printer, &table);
    }
    table_finish(&table);
}

static int status_run(const struct arguments *arguments)
{
    struct printer printer = printer_of(stdout);
    json_t *answer = NULL, *bans = NULL;
    int code = ask(arguments, json_pack("{s:s}", "do", "protect"), PATIENCE, &answer);
    const json_t *rules = json_object_get(answer, "ban_rules");

    if (code == APP_OK && strcmp(text_of(rules, "mode"), "off") != 0)
        code = ask(arguments, json_pack("{s:s}", "do", "bans"), PATIENCE, &bans);
    if (code == APP_OK && arguments_get(arguments, "json")) {
        if (bans)
            json_object_set(answer, "bans", bans);
        print_json(json_incref(answer));
    } else if (code == APP_OK) {
        print_sites(&printer, json_object_get(answer, "sites"));
        print_rates(&printer, answer);
        putchar('\n');
        print_counts(&printer, json_object_get(answer, "last_hour"));
        printf("\nbans: %s\n", text_of(rules, "mode"));
        if (bans)
            print_bans(bans);
    }
    json_decref(answer);
    json_decref(bans);
    return code;
}

/* ---- the verb ---- */

static int protect_run(const struct arguments *arguments)
{
    const char *word = arguments->word_count ? arguments->words[0] : "status";

    if (strcmp(word, "status") == 0)
        return status_run(arguments);
    if (strcmp(word, "explain") == 0)
        return explain_run(arguments);
    print_error("gardien protect status, or gardien protect explain",
                "`gardien protect` knows no \"%s\"", word);
    return APP_USAGE;
}

const struct verb protect_verb = {
    "protect",
    protect_run,
    "show what defends, and what it says of a request",
    "status | explain URL | explain --curl COMMAND | explain --log LINE",
    "status   prints the rules in force for each site and route, what they refused in the last\n"
    "         hour, and who is banned\n"
    "explain  prints what each policy says of one request, and which one decides; nothing is\n"
    "         sent and nothing is counted",
    "gardien protect status\n"
    "gardien protect explain https://example.com/.env\n"
    "gardien protect explain --curl \"curl -X POST -H 'Origin: https://a.example' "
    "https://example.com/\"\n",
    protect_options,
    2,
    "0 the request passes, or the state was printed; 1 it is refused; 2 the command line is "
    "wrong;\n"
    "3 no gardien runs",
    .words = "status explain"};
