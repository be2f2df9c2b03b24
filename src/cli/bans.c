/* `gardien ban`, `gardien unban` and `gardien bans`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/mem.h"
#include "cli/bans.h"
#include "cli/cli.h"
#include "config/config.h"
#include "report/printer.h"
#include "report/table.h"

#define PATIENCE (10 * NSEC_PER_SEC)

static const struct option ban_options[] = {
    {"for", "TIME", false, "how long, such as 10m, 1h or 30d (default: `protect.bans.time`)", NULL},
    {"why", "TEXT", false, "what to remember about it", NULL},
    OPTION_STATE,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_END,
};

/* ---- words ---- */

static void print_time(char out[32], const json_t *seconds)
{
    long long left = json_integer_value(seconds);

    if (!json_is_integer(seconds))
        snprintf(out, 32, "no end");
    else if (left < 120)
        snprintf(out, 32, "%lld s", left);
    else if (left < 7200)
        snprintf(out, 32, "%lld min", left / 60);
    else if (left < 2 * 86400)
        snprintf(out, 32, "%lld h", left / 3600);
    else
        snprintf(out, 32, "%lld d", left / 86400);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* ---- ban ---- */

/* Where this shell is used from: nobody shall lock himself out. */
static void add_self(json_t *request)
{
    const char *ssh = getenv("SSH_CONNECTION");
    struct span rest = span_str(ssh ? ssh : ""), address;

    if (span_next(&rest, ' ', &address) && address.len)
        json_object_set_new(request, "self", json_stringn(address.ptr, address.len));
}

static int tell(const struct arguments *arguments, json_t *request, const char *done)
{
    struct printer printer = printer_of(stdout);
    json_t *answer = NULL;
    int code = ask(arguments, request, PATIENCE, &answer);

    if (answer && arguments_get(arguments, "json")) {
        print_json(json_incref(answer));
    } else if (code == APP_OK) {
        const json_t *ban = json_object_get(answer, "ban");
        char left[32];
        print_time(left, json_object_get(ban, "seconds_left"));
        printer_foreign(&printer, span_str(text_of(ban, "network")));
        if (strcmp(done, "banned") == 0)
            printf(" is banned: %s\n", left);
        else
            puts(" is not banned any more");
    }
    json_decref(answer);
    return code;
}

static int ban_run(const struct arguments *arguments)
{
    const char *time = arguments_get(arguments, "for"), *why = arguments_get(arguments, "why");
    int64_t ns = 0;

    if (arguments->word_count != 1) {
        print_error("gardien ban 192.0.2.7 --for 1h", "name one address or network");
        return APP_USAGE;
    }
    if (time && (config_parse_duration(span_str(time), &ns) < 0 || ns <= 0)) {
        print_error("write it as in 10m, 1h or 30d", "--for %s is no time", time);
        return APP_USAGE;
    }
    json_t *request = json_pack("{s:s, s:s, s:I}", "do", "ban", "network", arguments->words[0],
                                "time", (json_int_t)ns);
    if (why)
        json_object_set_new(request, "why", json_string(why));
    add_self(request);
    return tell(arguments, request, "banned");
}

const struct verb ban_verb = {
    "ban",
    ban_run,
    "refuse an address or a network",
    "ADDRESS[/PREFIX] [OPTION...]",
    "A running gardien takes no more connections from there, closes those that are open, and has\n"
    "the kernel drop packets on its HTTPS ports, where it may. The ban outlives a restart. This\n"
    "machine, its gateways, trusted proxies and whoever is logged in by SSH are never banned.",
    "gardien ban 192.0.2.7 --for 1h --why \"scans for passwords\"\n"
    "gardien ban 2001:db8:1::/48 --for 30d\n",
    ban_options,
    1,
    "0 it is banned; 1 it may not be banned; 2 the command line is wrong; 3 no gardien runs"};

/* ---- unban ---- */

static int unban_run(const struct arguments *arguments)
{
    if (arguments->word_count != 1) {
        print_error("gardien unban 192.0.2.7", "name one address or network");
        return APP_USAGE;
    }
    return tell(arguments, json_pack("{s:s, s:s}", "do", "unban", "network", arguments->words[0]),
                "lifted");
}

const struct verb unban_verb = {
    "unban",
    unban_run,
    "lift the ban of an address or a network",
    "ADDRESS[/PREFIX] [OPTION...]",
    "Lifts the ban, and forgets how often there was one. An address whose network is banned\n"
    "lifts that network's ban.",
    "gardien unban 192.0.2.7\n",
    control_options,
    1,
    "0 it is not banned any more; 1 it was not, or the settings ban it; 2 the command line is\n"
    "wrong; 3 no gardien runs"};

/* ---- bans ---- */

static void add_row(struct table *table, const json_t *ban)
{
    char left[32], strikes[24];

    print_time(left, json_object_get(ban, "seconds_left"));
    snprintf(strikes, sizeof strikes, "%lld",
             (long long)json_integer_value(json_object_get(ban, "strikes")));
    table_add(table, STYLE_BOLD, text_of(ban, "network"));
    table_add(table, STYLE_PLAIN, left);
    table_add(table, STYLE_PLAIN, text_of(ban, "cause"));
    table_add(table, STYLE_PLAIN, strikes);
    table_add(table, STYLE_PLAIN,
              json_is_true(json_object_get(ban, "kernel")) ? "kernel" : "gardien");
    table_add(table, STYLE_PLAIN, text_of(ban, "why"));
}

void print_bans(const json_t *answer)
{
    static const char *const titles[] = {"network", "left", "cause", "number", "refused by", "why"};
    const json_t *bans = json_object_get(answer, "bans");
    long long count = json_integer_value(json_object_get(answer, "count"));
    struct printer printer = printer_of(stdout);
    struct table table = {.columns = ARRAY_SIZE(titles), .labels = titles, .headed = true};

    if (count == 0) {
        puts("nobody is banned");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
        table_add(&table, STYLE_BOLD, titles[i]);
    for (size_t i = 0; i < json_array_size(bans); i++)
        add_row(&table, json_array_get(bans, i));
    table_print(&printer, &table);
    table_finish(&table);
    if ((long long)json_array_size(bans) < count)
        printf("and %lld more\n", count - (long long)json_array_size(bans));
    if (strcmp(text_of(answer, "kernel"), "on") != 0)
        printf("the kernel drops nothing (%s): gardien itself refuses them\n",
               text_of(answer, "kernel"));
}

static int bans_run(const struct arguments *arguments)
{
    json_t *request = json_pack("{s:s}", "do", "bans"), *answer = NULL;

    if (arguments->word_count)
        json_object_set_new(request, "network", json_string(arguments->words[0]));
    int code = ask(arguments, request, PATIENCE, &answer);
    if (answer && arguments_get(arguments, "json"))
        print_json(json_incref(answer));
    else if (code == APP_OK)
        print_bans(answer);
    json_decref(answer);
    return code;
}

const struct verb bans_verb = {"bans",
                               bans_run,
                               "list who is banned, for how long and why",
                               "[ADDRESS] [OPTION...]",
                               "With ADDRESS only bans that cover it.",
                               "gardien bans\ngardien bans 192.0.2.7 --json\n",
                               control_options,
                               1,
                               "0 they are listed; 2 the command line is wrong; 3 no gardien runs"};
