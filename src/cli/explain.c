/* Asks the policies of a worker about one request, by the settings of a running gardien or of a
 * file. Rates and counts are not touched: which of them count the request is told. */
#include "cli/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/explain_request.h"
#include "report/printer.h"
#include "report/table.h"

enum { ARENA_MAX = 4 << 20, HOLD_MAX = 128 << 10, LINES_MAX = 64 };

struct explanation {
    const struct arguments *arguments;
    struct arena arena;
    struct explain_request request;
    struct settings *settings;
    struct protect_question question;
    struct http_exchange exchange;
    struct client client;
    struct protect_rules rules;
    struct rate_rules rates[PROTECT_LEVELS];
    const struct settings_site *site;
    const struct settings_route *route;
    struct waf_rules *waf_rules;
    char *matches[LINES_MAX]; /* what the web application firewall found */
    size_t match_count;
    json_t *verdicts;
    bool refused;
};

/* ---- settings ---- */

static int take_running(struct explanation *e)
{
    json_t *answer = NULL;
    int code = ask(e->arguments, json_pack("{s:s, s:b}", "do", "protect", "settings", 1),
                   10 * NSEC_PER_SEC, &answer);
    const char *text = json_string_value(json_object_get(answer, "settings"));

    if (code == APP_OK && (!text || settings_parse(span_str(text), &e->settings) < 0)) {
        print_error(NULL, "the running gardien is of another version: its settings cannot be read");
        code = APP_FAILED;
    }
    json_decref(answer);
    return code;
}

static int take_file(struct explanation *e, const char *path)
{
    struct settings_source source = {.path = path};
    struct settings_loaded loaded;
    struct diags diags = {0};

    int r = settings_load(&source, &diags, &loaded);
    if (r < 0)
        print_diags(stderr, &diags);
    else
        e->settings = take(loaded.settings);
    settings_loaded_finish(&loaded);
    diags_finish(&diags);
    return r < 0 ? APP_FAILED : APP_OK;
}

/* ---- which site and route ---- */

static bool has_name(const struct settings_site *site, struct span host)
{
    ptrdiff_t dot = span_find(host, '.');

    for (size_t i = 0; i < site->names.count; i++) {
        struct span name = span_str(site->names.items[i]);
        if (span_equal(name, host) ||
            (dot > 0 && span_starts(name, SPAN("*.")) &&
             span_equal(span_from(name, 1), span_from(host, (size_t)dot))))
            return true;
    }
    return false;
}

static void find_site(struct explanation *e)
{
    const struct settings_site *sites = settings_sites(e->settings);
    int fallback = settings_default_site(e->settings);

    for (size_t i = 0; i < e->settings->sites.count && !e->site; i++)
        if (has_name(&sites[i], e->request.message.host))
            e->site = &sites[i];
    if (!e->site && fallback >= 0)
        e->site = &sites[fallback];
}

static void find_route(struct explanation *e)
{
    const struct settings_route *routes = settings_routes(e->site);
    size_t longest = 0;

    for (size_t i = 0; i < e->site->routes.count; i++) {
        struct span path = span_str(routes[i].path);
        bool fits = routes[i].exact ? span_equal(e->question.path, path)
                                    : protect_path_beneath(e->question.path, path);
        if (!fits || path.len < longest)
            continue;
        longest = path.len;
        e->route = &routes[i];
    }
}

/* ---- the question ---- */

static void keep_match(void *context, struct span line)
{
    struct explanation *e = context;
    ptrdiff_t at = span_find_span(line, SPAN("id="));

    if (e->match_count == LINES_MAX || at < 0)
        return;
    struct span rest = span_from(line, (size_t)at);
    if (rest.len && rest.ptr[rest.len - 1] == '\n')
        rest.len--;
    e->matches[e->match_count++] = mem_string(rest);
}

static void make_question(struct explanation *e)
{
    const struct protect_rules_settings *levels[PROTECT_LEVELS] = {
        &e->settings->protect.rules, &e->site->protect.rules,
        e->route ? &e->route->protect.rules : NULL};
    bool proxied = e->route ? e->route->proxy != NULL : e->site->proxy != NULL;

    protect_rules_merge(levels, PROTECT_LEVELS, proxied, &e->rules);
    for (size_t i = 0; i < PROTECT_LEVELS; i++) {
        if (!levels[i])
            continue;
        rate_rules_create(&levels[i]->rates, SPAN(""), &e->rates[i]);
        e->rules.rates[i] = &e->rates[i];
    }
    e->question.rules = &e->rules;
    e->question.waf_mode = settings_waf_mode(e->settings, e->site);
    e->question.waf_rules = e->waf_rules;
}

static int load_waf(struct explanation *e)
{
    struct diags diags = {0};

    if (settings_waf_mode(e->settings, e->site) == WAF_MODE_OFF)
        return 0;
    struct waf_files *files = waf_files_create(true);
    int r = waf_load_settings(&e->settings->protect, files, &diags, &e->waf_rules);
    if (r < 0)
        print_diags(stderr, &diags);
    diags_finish(&diags);
    waf_files_destroy(files);
    return r;
}

/* ---- verdicts ---- */

static void add(struct explanation *e, const char *policy, const char *says, int status,
                const char *why)
{
    json_t *verdict =
        json_pack("{s:s, s:s, s:s, s:b}", "policy", policy, "verdict", says, "why", why ? why : "",
                  "decides", !e->refused && strcmp(says, "refuse") == 0);

    if (status)
        json_object_set_new(verdict, "status", json_integer(status));
    e->refused |= strcmp(says, "refuse") == 0;
    json_array_append_new(e->verdicts, verdict);
}

static void ask_bans(struct explanation *e)
{
    char address[46];
    json_t *answer = NULL;
    scoped(mem_release) char *state = NULL;

    if (!e->request.client.len) {
        add(e, "bans", "unknown", 0, "no address was named: --from ADDRESS");
        return;
    }
    peer_address_text(e->client.address, address);
    state = state_of(e->arguments);
    json_t *request = json_pack("{s:s, s:s}", "do", "bans", "network", address);
    int r = state ? control_ask(state, request, 5 * NSEC_PER_SEC, &answer) : ERR_NOT_FOUND;
    const json_t *ban = json_array_get(json_object_get(answer, "bans"), 0);
    json_decref(request);
    if (r < 0)
        add(e, "bans", "unknown", 0, "no gardien runs that could tell");
    else if (ban)
        add(e, "bans", "refuse", 403, json_string_value(json_object_get(ban, "why")));
    else
        add(e, "bans", "pass", 0, NULL);
    json_decref(answer);
}

static void ask_rates(struct explanation *e)
{
    bool any = false;

    for (size_t level = 0; level < PROTECT_LEVELS; level++)
        for (size_t i = 0; i < e->rates[level].count; i++) {
            const struct rate_settings *rate = e->rates[level].items[i].settings;
            if (e->rules.rate_mode <= PROTECT_OFF ||
                !rate_rule_concerns(&e->rates[level].items[i], &e->question))
                continue;
            scoped(mem_release) char *why =
                mem_format("\"%s\" counts it: %s by %s", rate->name, rate->rate, rate->key);
            add(e, "rates", "counted", 0, why);
            any = true;
        }
    if (!any)
        add(e, "rates", "pass", 0, NULL);
}

/** A policy that needs nothing but the question. */
static void ask_policy(struct explanation *e, enum protect_policy_id id, enum protect_mode mode)
{
    const struct log silent = {.level = LOG_ERROR, .process = "explain", .sink = keep_match};
    struct protect_notes notes = {.log = &silent};
    const struct protect_policy *policy = protect_policies[id];

    if (mode <= PROTECT_OFF) {
        add(e, policy->name, "off", 0, NULL);
        return;
    }
    e->rules.secrets =
        mode == PROTECT_WATCH && id == POLICY_SECRETS ? PROTECT_ON : e->rules.secrets;
    e->rules.cross_origin =
        mode == PROTECT_WATCH && id == POLICY_CROSS_ORIGIN ? PROTECT_ON : e->rules.cross_origin;
    struct verdict verdict = policy->on_request(&notes, &e->question, id);
    if (verdict.kind == VERDICT_PASS)
        add(e, policy->name, "pass", 0, NULL);
    else
        add(e, policy->name, mode == PROTECT_WATCH ? "watch" : "refuse", verdict.status,
            verdict.reason);
}

static void ask_addresses(struct explanation *e)
{
    bool any = e->rules.allow || e->rules.deny;

    if (any && !e->request.client.len)
        add(e, "addresses", "unknown", 0, "no address was named: --from ADDRESS");
    else
        ask_policy(e, POLICY_ADDRESSES, any ? PROTECT_ON : PROTECT_OFF);
}

static void ask_waf(struct explanation *e)
{
    const struct log log = {
        .level = LOG_NOTICE, .process = "explain", .sink = keep_match, .context = e};
    struct waf_policy *policy = waf_policy_create(&log);
    struct protect_question *question = &e->question;
    bool off = !e->waf_rules;

    struct verdict verdict = waf_policy.on_request(policy, question, POLICY_WAF);
    if (verdict.kind == VERDICT_PASS && question->inspecting) {
        question->body_done = true;
        verdict = waf_policy.on_body(policy, question, POLICY_WAF, e->request.body);
    }
    waf_policy.on_closed(policy, question, POLICY_WAF, HTTP_END_DONE);
    waf_policy_destroy(policy);
    bool refuses = verdict.kind == VERDICT_REFUSE;
    for (size_t i = 0; i < e->match_count; i++)
        add(e, "waf", refuses && i + 1 == e->match_count ? "refuse" : "matches",
            refuses && i + 1 == e->match_count ? verdict.status : 0, e->matches[i]);
    if (e->match_count == 0)
        add(e, "waf",
            off       ? "off"
            : refuses ? "refuse"
                      : "pass",
            refuses ? verdict.status : 0, refuses ? verdict.reason : NULL);
}

/* ---- the answer ---- */

static void print_text(const struct explanation *e)
{
    struct printer printer = printer_of(stdout);
    struct table table = {.columns = 4};
    char status[16];

    printf("site %s%s%s\n\n", e->site->names.items[0], e->route ? ", route " : "",
           e->route ? e->route->path : "");
    for (size_t i = 0; i < json_array_size(e->verdicts); i++) {
        const json_t *one = json_array_get(e->verdicts, i);
        const json_t *code = json_object_get(one, "status");
        bool decides = json_is_true(json_object_get(one, "decides"));
        snprintf(status, sizeof status, "%lld", (long long)json_integer_value(code));
        table_add(&table, STYLE_BOLD, json_string_value(json_object_get(one, "policy")));
        table_add(&table, decides ? STYLE_RED : STYLE_PLAIN,
                  json_string_value(json_object_get(one, "verdict")));
        table_add(&table, STYLE_PLAIN, code ? status : "");
        table_add(&table, STYLE_PLAIN, json_string_value(json_object_get(one, "why")));
    }
    table_print(&printer, &table);
    table_finish(&table);
    puts(e->refused ? "\nthe first that refuses decides" : "\nnothing refuses it");
}

static int explain(struct explanation *e)
{
    struct http_exchange *x = &e->exchange;

    find_site(e);
    if (!e->site || load_waf(e) < 0)
        return APP_FAILED;
    x->request = e->request.message;
    x->arena = e->arena;
    e->client.secure = e->request.secure;
    if (e->request.client.len && peer_address_parse(e->request.client, &e->client.address) < 0) {
        print_error(NULL, "the client's address cannot be read");
        return APP_USAGE;
    }
    e->question = (struct protect_question){.exchange = x,
                                            .client = &e->client,
                                            .address = e->client.address,
                                            .host = x->request.authority,
                                            .request_id = SPAN("explain"),
                                            .now = nsec_monotonic(),
                                            .hold_limit = HOLD_MAX};
    if (http_path_resolve(&x->arena, x->request.path, &e->question.path) < 0)
        add(e, "http", "refuse", 400, "the path is malformed");
    else
        find_route(e);
    make_question(e);
    ask_bans(e);
    ask_addresses(e);
    ask_rates(e);
    ask_policy(e, POLICY_SECRETS, e->rules.secrets);
    ask_policy(e, POLICY_CROSS_ORIGIN, e->rules.cross_origin);
    ask_waf(e);
    if (e->rules.malware > PROTECT_OFF && x->request.has_body)
        add(e, "malware", "asked", 0, "clamd looks at the body");
    else
        add(e, "malware", e->rules.malware > PROTECT_OFF ? "pass" : "off", 0, NULL);
    e->arena = x->arena;
    if (arguments_get(e->arguments, "json"))
        print_json(json_pack("{s:b, s:s, s:s?, s:O}", "refused", (int)e->refused, "site",
                             e->site->names.items[0], "route", e->route ? e->route->path : NULL,
                             "verdicts", e->verdicts));
    else
        print_text(e);
    return e->refused ? APP_FAILED : APP_OK;
}

static int read_request(struct explanation *e, struct diags *diags)
{
    const char *curl = arguments_get(e->arguments, "curl");
    const char *log = arguments_get(e->arguments, "log");
    const char *host = arguments_get(e->arguments, "host");
    const char *from = arguments_get(e->arguments, "from");
    const char *url = e->arguments->word_count > 1 ? e->arguments->words[1] : NULL;
    int r = ERR_SYNTAX;

    if ((curl != NULL) + (log != NULL) + (url != NULL) != 1)
        diag_hint(diags_add(diags, "one request is explained at a time"),
                  "give one of: a URL, --curl COMMAND, --log LINE");
    else if (curl)
        r = explain_read_curl(&e->arena, span_str(curl), diags, &e->request);
    else if (log)
        r = explain_read_log(&e->arena, span_str(log), span_str(host ? host : ""), diags,
                             &e->request);
    else
        r = explain_read_url(&e->arena, span_str(url), diags, &e->request);
    if (from)
        e->request.client = span_str(from);
    return r;
}

int explain_run(const struct arguments *arguments)
{
    struct explanation e = {.arguments = arguments, .verdicts = json_array()};
    const char *file = arguments_get(arguments, "config");
    struct diags diags = {0};
    int code = APP_USAGE;

    arena_init(&e.arena, NULL, 0, ARENA_MAX);
    if (read_request(&e, &diags) < 0)
        print_diags(stderr, &diags);
    else
        code = file ? take_file(&e, file) : take_running(&e);
    if (e.settings)
        code = explain(&e);
    for (size_t i = 0; i < PROTECT_LEVELS; i++)
        rate_rules_finish(&e.rates[i]);
    for (size_t i = 0; i < e.match_count; i++)
        free(e.matches[i]);
    waf_rules_destroy(e.waf_rules);
    settings_destroy(e.settings);
    json_decref(e.verdicts);
    diags_finish(&diags);
    arena_reset(&e.arena, NULL, 0);
    return code;
}
