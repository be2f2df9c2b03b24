/* `gardien cert list`. */
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "cli/cert.h"
#include "report/printer.h"
#include "report/table.h"

#define ANSWER_TIME (10 * NSEC_PER_SEC)
#define DAY (24 * 3600 * NSEC_PER_SEC)

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* Adds what the certificate's file says. */
static void read_chain(json_t *certificate)
{
    struct diags diags = {0};
    struct cert_chain chain = {NULL};
    char date[CERT_DATE_TEXT];

    if (cert_chain_load(text_of(certificate, "chain"), &diags, &chain) < 0) {
        json_object_set_new(certificate, "error",
                            json_string(diags.count ? diags.items[0].sentence : "unreadable"));
    } else {
        const struct cert_info *leaf = &chain.items[0];
        json_int_t left = (leaf->not_after - nsec_realtime()) / DAY;
        json_object_set_new(certificate, "not_after",
                            json_string(cert_date_text(leaf->not_after, date)));
        json_object_set_new(certificate, "days_left", json_integer(left));
        json_object_set_new(certificate, "issuer", json_string(leaf->issuer));
        json_object_set_new(certificate, "serial", json_string(leaf->serial));
        json_object_set_new(certificate, "expired",
                            json_boolean(leaf->not_after <= nsec_realtime()));
        if (strcmp(text_of(certificate, "from"), "local") == 0)
            json_object_set_new(certificate, "renew_at",
                                json_string(cert_date_text(cert_renew_at(leaf), date)));
    }
    diags_finish(&diags);
    cert_chain_finish(&chain);
}

static const char *source_text(const json_t *certificate)
{
    const char *from = text_of(certificate, "from");

    return strcmp(from, "acme") == 0 ? "ACME" : strcmp(from, "local") == 0 ? "local CA" : "file";
}

static const char *renewal_text(const json_t *certificate, const json_t *acme)
{
    const char *from = text_of(certificate, "from");

    if (strcmp(from, "acme") == 0)
        return text_of(acme, "renew_at");
    return strcmp(from, "local") == 0 ? text_of(certificate, "renew_at") : "by you";
}

static void add_row(struct table *table, const json_t *site, const json_t *certificate)
{
    const json_t *left = json_object_get(certificate, "days_left");
    bool expired = json_is_true(json_object_get(certificate, "expired"));
    char days[32] = "?";

    if (expired)
        snprintf(days, sizeof days, "expired");
    else if (left)
        snprintf(days, sizeof days, "%lld", (long long)json_integer_value(left));
    table_add(table, STYLE_BOLD, text_of(site, "name"));
    table_add(table, STYLE_PLAIN, source_text(certificate));
    table_add(table, expired ? STYLE_RED : STYLE_PLAIN, days);
    table_add(table, STYLE_PLAIN, text_of(certificate, "not_after"));
    table_add(table, STYLE_PLAIN, renewal_text(certificate, json_object_get(site, "acme")));
    table_end_row(table);
}

/* What a table has no room for: orders that failed, files that cannot be read. */
static void print_troubles(const struct printer *printer, const json_t *site)
{
    const json_t *acme = json_object_get(site, "acme");
    const json_t *certificates = json_object_get(site, "certificates");

    for (size_t i = 0; i < json_array_size(certificates); i++) {
        const char *error = text_of(json_array_get(certificates, i), "error");
        if (*error)
            print_escaped(printer->out, "%s: %s\n", text_of(site, "name"), error);
    }
    if (*text_of(acme, "step"))
        print_escaped(printer->out, "%s: an order is under way: %s\n", text_of(site, "name"),
                      text_of(acme, "step"));
    if (!*text_of(acme, "last_error"))
        return;
    print_escaped(printer->out, "%s: the last order failed: %s\n", text_of(site, "name"),
                  text_of(acme, "last_error"));
    print_escaped(printer->out, "  -> tried again at %s; at once: gardien cert issue %s\n",
                  text_of(acme, "retry_at"), text_of(site, "name"));
}

static void print_list(const json_t *sites)
{
    static const char *const titles[] = {"site", "from", "days left", "expires", "renewed"};
    struct printer printer = printer_of(stdout);
    struct table table = {.columns = ARRAY_SIZE(titles), .labels = titles, .headed = true};

    for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
        table_add(&table, STYLE_BOLD, titles[i]);
    for (size_t i = 0; i < json_array_size(sites); i++) {
        const json_t *site = json_array_get(sites, i);
        const json_t *certificates = json_object_get(site, "certificates");
        for (size_t c = 0; c < json_array_size(certificates); c++)
            add_row(&table, site, json_array_get(certificates, c));
    }
    table_print(&printer, &table);
    table_finish(&table);
    for (size_t i = 0; i < json_array_size(sites); i++)
        print_troubles(&printer, json_array_get(sites, i));
}

int cert_site_chains(const struct arguments *arguments, const char *name, json_t **ret_paths)
{
    json_t *answer = NULL, *paths = json_array();
    int code = ask(arguments, json_pack("{s:s, s:[s]}", "do", "certificates", "names", name),
                   ANSWER_TIME, &answer);
    const json_t *sites = json_object_get(answer, "sites");

    for (size_t i = 0; i < json_array_size(sites); i++) {
        const json_t *list = json_object_get(json_array_get(sites, i), "certificates");
        for (size_t c = 0; c < json_array_size(list); c++)
            json_array_append(paths, json_object_get(json_array_get(list, c), "chain"));
    }
    if (code == APP_OK && json_array_size(paths) == 0) {
        print_error("gardien cert list; of another server: gardien check HOST",
                    "%s is neither a file nor the name of a site with a certificate", name);
        code = APP_FAILED;
    }
    json_decref(answer);
    *ret_paths = paths;
    return code;
}

int cert_list(const struct arguments *arguments)
{
    json_t *names = json_array(), *answer = NULL;

    for (size_t i = 1; i < arguments->word_count; i++)
        json_array_append_new(names, json_string(arguments->words[i]));
    int code = ask(arguments, json_pack("{s:s, s:o}", "do", "certificates", "names", names),
                   ANSWER_TIME, &answer);
    const json_t *sites = json_object_get(answer, "sites");
    for (size_t i = 0; i < json_array_size(sites); i++) {
        json_t *certificates = json_object_get(json_array_get(sites, i), "certificates");
        for (size_t c = 0; c < json_array_size(certificates); c++)
            read_chain(json_array_get(certificates, c));
    }
    if (code == APP_OK && arguments->word_count > 1 && json_array_size(sites) == 0) {
        print_error("gardien cert list", "no site has the name %s", arguments->words[1]);
        code = APP_FAILED;
    }
    if (answer && arguments_get(arguments, "json"))
        print_json(json_incref(answer));
    else if (code == APP_OK)
        print_list(sites);
    json_decref(answer);
    return code;
}
