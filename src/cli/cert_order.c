/* `gardien cert issue`, `renew` and `revoke`: asked for once, then watched until each site is done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/app.h"
#include "base/mem.h"
#include "cli/cert.h"
#include "config/config.h"

#define ANSWER_TIME (10 * NSEC_PER_SEC)
#define WATCH_TIME (1000 * NSEC_PER_SEC) /* an order has 900 s */

/* ---- reasons of a revocation (RFC 5280 section 5.3.1) ---- */

static const struct {
    const char *word;
    int code;
} reasons[] = {
    {"unspecified", 0}, {"keyCompromise", 1},        {"affiliationChanged", 3},
    {"superseded", 4},  {"cessationOfOperation", 5},
};

static int read_reason(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (strcmp(word, reasons[i].word) == 0)
            return reasons[i].code;
    return -1;
}

/* ---- asking ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static const char *verb_of(const struct arguments *arguments, const char *word)
{
    if (arguments_get(arguments, "dry-run"))
        return "certificate try";
    return strcmp(word, "revoke") == 0 ? "certificate revoke" : "certificate order";
}

/* The sites whose last order failed; those that are due are being renewed already. */
static int add_failed(const struct arguments *arguments, json_t *names)
{
    json_t *answer = NULL;
    int code = ask(arguments, json_pack("{s:s}", "do", "certificates"), ANSWER_TIME, &answer);
    const json_t *sites = json_object_get(answer, "sites");

    for (size_t i = 0; i < json_array_size(sites); i++) {
        const json_t *site = json_array_get(sites, i);
        const json_t *failures = json_object_get(json_object_get(site, "acme"), "failures");
        if (json_integer_value(failures) > 0)
            json_array_append(names, json_object_get(site, "name"));
    }
    json_decref(answer);
    return code;
}

static json_t *question(const char *verb, const json_t *names)
{
    return json_pack("{s:s, s:O}", "do", verb, "names", names);
}

/* ---- watching ---- */

struct watch {
    const struct arguments *arguments;
    const json_t *names;
    json_t *rounds;  /* by site, before */
    json_t *steps;   /* by site, told last */
    json_t *results; /* {"name", "ok", "error"} of sites that are done */
};

static void tell_step(struct watch *watch, const json_t *site)
{
    const char *name = text_of(site, "name");
    const char *step = text_of(json_object_get(site, "acme"), "step");

    if (!*step || strcmp(step, text_of(watch->steps, name)) == 0)
        return;
    json_object_set_new(watch->steps, name, json_string(step));
    print_escaped(stderr, "%s: %s\n", name, step);
}

/* @return whether the site is done */
static bool look_at_site(struct watch *watch, const json_t *site)
{
    const json_t *acme = json_object_get(site, "acme");
    const char *name = text_of(site, "name");
    const json_t *before = json_object_get(watch->rounds, name);

    if (!before || !acme)
        return true; /* told already, or another reading of the settings took it away */
    tell_step(watch, site);
    if (json_integer_value(json_object_get(acme, "rounds")) <= json_integer_value(before))
        return false;
    const char *why = text_of(acme, "outcome");
    json_array_append_new(watch->results,
                          json_pack("{s:s, s:b, s:s*, s:s*}", "name", name, "ok", !*why, "error",
                                    *why ? why : NULL, "retry_at",
                                    json_string_value(json_object_get(acme, "retry_at"))));
    json_object_del(watch->rounds, name);
    return true;
}

static void keep_rounds(struct watch *watch, const json_t *answer)
{
    const json_t *sites = json_object_get(answer, "sites");

    for (size_t i = 0; i < json_array_size(sites); i++) {
        const json_t *site = json_array_get(sites, i);
        json_t *rounds = json_object_get(json_object_get(site, "acme"), "rounds");
        json_object_set(watch->rounds, text_of(site, "name"), rounds);
    }
}

/* @return an enum app_exit */
static int look_until_done(struct watch *watch)
{
    nsec_t end = nsec_monotonic() + WATCH_TIME;
    struct timespec step = {0, 300 * NSEC_PER_MSEC};
    json_t *answer = NULL;

    while (nsec_monotonic() < end) {
        int code =
            ask(watch->arguments, question("certificates", watch->names), ANSWER_TIME, &answer);
        const json_t *sites = json_object_get(answer, "sites");
        bool done = true;
        for (size_t i = 0; i < json_array_size(sites); i++)
            done = look_at_site(watch, json_array_get(sites, i)) && done;
        json_decref(answer);
        if (code != APP_OK || done)
            return code;
        nanosleep(&step, NULL);
    }
    print_error("see: gardien cert list", "it takes longer; gardien goes on with it");
    return APP_FAILED;
}

/* ---- results ---- */

static int tell_results(const struct watch *watch, const char *done)
{
    bool json = arguments_get(watch->arguments, "json") != NULL;
    int code = APP_OK;

    for (size_t i = 0; i < json_array_size(watch->results); i++) {
        const json_t *result = json_array_get(watch->results, i);
        bool fine = json_is_true(json_object_get(result, "ok"));
        const char *retry = text_of(result, "retry_at");
        if (!fine)
            code = APP_FAILED;
        if (json)
            continue;
        if (fine)
            print_escaped(stdout, "%s: %s\n", text_of(result, "name"), done);
        else
            print_escaped(stdout, "%s: %s%s%s\n", text_of(result, "name"), text_of(result, "error"),
                          *retry ? "\n  -> gardien tries again at " : "", retry);
    }
    if (json)
        print_json(json_incref(watch->results));
    return code;
}

static const char *done_text(const struct arguments *arguments, const char *word)
{
    if (arguments_get(arguments, "dry-run"))
        return "the account is in order and the name leads here; nothing was ordered";
    return strcmp(word, "revoke") == 0 ? "revoked; another certificate is being ordered"
                                       : "a new certificate is in service";
}

static int run(const struct arguments *arguments, const char *word, json_t *request)
{
    struct watch watch = {.arguments = arguments,
                          .names = json_object_get(request, "names"),
                          .rounds = json_object(),
                          .steps = json_object(),
                          .results = json_array()};
    json_t *answer = NULL;
    int code = ask(arguments, json_incref(request), ANSWER_TIME, &answer);

    keep_rounds(&watch, answer);
    json_decref(answer);
    if (code == APP_OK)
        code = look_until_done(&watch);
    if (code == APP_OK)
        code = tell_results(&watch, done_text(arguments, word));
    json_decref(watch.rounds);
    json_decref(watch.steps);
    json_decref(watch.results);
    return code;
}

int cert_order(const struct arguments *arguments, const char *word)
{
    const char *reason = arguments_get(arguments, "reason");
    int code = APP_OK, number = read_reason(reason ? reason : "unspecified");
    json_t *names = json_array();

    for (size_t i = 1; i < arguments->word_count; i++)
        json_array_append_new(names, json_string(arguments->words[i]));
    if (number < 0) {
        print_error("unspecified, keyCompromise, affiliationChanged, superseded or "
                    "cessationOfOperation",
                    "--reason %s is no reason", reason);
        code = APP_USAGE;
    } else if (json_array_size(names) == 0 && strcmp(word, "renew") != 0) {
        print_error("gardien cert list shows the sites and their names",
                    "`gardien cert %s` needs the name of a site", word);
        code = APP_USAGE;
    } else if (json_array_size(names) == 0) {
        code = add_failed(arguments, names);
        if (code == APP_OK && json_array_size(names) == 0) {
            puts("no order has failed; what is due is being renewed without being asked");
            json_decref(names);
            return APP_OK;
        }
    }
    json_t *request = question(verb_of(arguments, word), names);
    json_object_set_new(request, "reason", json_integer(number));
    if (code == APP_OK)
        code = run(arguments, word, request);
    json_decref(request);
    json_decref(names);
    return code;
}
