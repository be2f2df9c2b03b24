/* Saved rulesets become a model; their rules are written as nftables writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/firewall.h"
#include "firewall/model/ruleset_internal.h"

static const char *folder; /* of the saved rulesets */

static struct ruleset *saved(const char *name)
{
    scoped(mem_release) char *path = mem_format("%s/%s", folder, name);
    struct diags diags = {0};
    struct ruleset *ruleset = NULL;

    assert_int_equal(ruleset_read_file(path, &ruleset, &diags), 0);
    assert_int_equal(diags.count, 0);
    return ruleset;
}

static void test_every_rule_reads_as_nft_prints_it(void **state)
{
    struct ruleset *ruleset = saved("plain.json");
    scoped(mem_release) char *path = mem_format("%s/plain.txt", folder);
    FILE *expected = fopen(path, "r");
    char line[4096];
    size_t rules = 0;

    assert_non_null(expected);
    for (struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next) {
        for (struct ruleset_rule *rule = chain->rules; rule; rule = rule->next, rules++) {
            char *text = ruleset_rule_text(rule);
            char *whole = mem_format("%s # handle %llu\n", text, (unsigned long long)rule->handle);
            assert_non_null(fgets(line, sizeof line, expected));
            assert_string_equal(whole, line);
            free(text);
            free(whole);
        }
    }
    assert_null(fgets(line, sizeof line, expected));
    assert_int_equal(rules, ruleset->rule_count);
    assert_true(ruleset->handles_known);
    fclose(expected);
    ruleset_destroy(ruleset);
}

static const struct ruleset_chain *chain_named(const struct ruleset *ruleset, const char *table,
                                               const char *name)
{
    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        if (strcmp(chain->table->name, table) == 0 && strcmp(chain->name, name) == 0)
            return chain;
    return NULL;
}

static void test_chains_have_hooks_priorities_and_policies(void **state)
{
    struct ruleset *ruleset = saved("plain.json");
    const struct ruleset_chain *input = chain_named(ruleset, "t", "b");
    const struct ruleset_chain *nat = chain_named(ruleset, "t", "n");
    const struct ruleset_chain *regular = chain_named(ruleset, "t", "a");

    assert_int_equal(input->hook, RULESET_INPUT);
    assert_int_equal(input->priority, -5);
    assert_true(input->policy_drops && !input->nat);
    assert_int_equal(nat->hook, RULESET_PREROUTING);
    assert_true(nat->nat && !nat->policy_drops);
    assert_int_equal(regular->hook, RULESET_NO_HOOK);
    assert_int_equal(input->table->family, RULESET_INET);
    assert_string_equal(ruleset_family_name(input->table->family), "inet");
    ruleset_destroy(ruleset);
}

static void test_extensions_of_iptables_are_kept_as_unsure(void **state)
{
    struct ruleset *ruleset = saved("iptables.json");
    const struct ruleset_rule *rule = chain_named(ruleset, "filter", "INPUT")->rules;
    char *text = ruleset_rule_text(rule);

    assert_string_equal(text, "xt match \"conntrack\" counter accept");
    assert_int_equal(rule->statements[0].kind, STATEMENT_UNSURE);
    free(text);
    ruleset_destroy(ruleset);
}

static void refused(const char *json, const char *why_expected)
{
    struct ruleset *ruleset;
    char *why = NULL;

    assert_int_equal(ruleset_parse(span_str(json), &ruleset, &why), ERR_SYNTAX);
    if (!strstr(why, why_expected))
        fail_msg("%s: %s", json, why);
    free(why);
}

static void test_owners_of_tables_are_left_out_of_text(void **state)
{
    /* as firewalld 2.1 and nft 1.1 write it */
    scoped(mem_release) char *text = ruleset_without_owners(
        SPAN("table inet firewalld { # progname firewalld\n\tflags owner,persist\n\n\tset s {\n"
             "\t\tflags constant,interval\n\t}\n}\ntable ip t {\n\tflags dormant,owner;\n}\n"));

    assert_string_equal(text, "table inet firewalld { # progname firewalld\n\n\n\tset s {\n"
                              "\t\tflags constant,interval\n\t}\n}\ntable ip t {\n"
                              "flags dormant\n}\n");
}

static void test_wrong_json_is_refused_with_a_reason(void **state)
{
    refused("", "line 1");
    refused("{\"nftables\": 5}", "no array");
    refused("{\"nftables\": [{\"table\": {\"name\": \"t\"}}]}", "\"family\"");
    refused("{\"nftables\": [{\"table\": {\"family\": \"x\", \"name\": \"t\"}}]}", "family \"x\"");
    refused(
        "{\"nftables\": [{\"chain\": {\"family\": \"ip\", \"table\": \"t\", \"name\": \"c\"}}]}",
        "table ip t is named but not listed");
    refused("{\"nftables\": [{\"table\": {\"family\": \"ip\", \"name\": \"t\"}}, {\"rule\": "
            "{\"family\": \"ip\", \"table\": \"t\", \"chain\": \"c\", \"expr\": []}}]}",
            "chain c is named but not listed");
    refused("{\"nftables\": [], \"nftables\": []}", "duplicate");
}

static void test_nesting_is_bounded(void **state)
{
    static const char head[] =
        "{\"nftables\": [{\"table\": {\"family\": \"ip\", \"name\": \"t\"}}, {\"chain\": "
        "{\"family\": \"ip\", \"table\": \"t\", \"name\": \"c\"}}, {\"rule\": {\"family\": \"ip\", "
        "\"table\": \"t\", \"chain\": \"c\", \"expr\": [{\"match\": {\"op\": \"==\", \"left\": ";
    struct buffer json = buffer_make(1 << 20);
    struct ruleset *ruleset;
    char *why = NULL;

    assert_int_equal(buffer_append(&json, head, sizeof head - 1), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(buffer_printf(&json, "{\"&\": [1, "), 0);
    assert_int_equal(buffer_printf(&json, "1"), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(buffer_printf(&json, "]}"), 0);
    assert_int_equal(buffer_printf(&json, ", \"right\": 1}}]}}]}"), 0);
    assert_int_equal(ruleset_parse(buffer_span(&json), &ruleset, &why), ERR_LIMIT);
    assert_non_null(strstr(why, "nested"));
    free(why);
    buffer_finish(&json);
}

static void test_a_missing_file_says_how_to_save_one(void **state)
{
    struct diags diags = {0};
    struct ruleset *ruleset;

    assert_int_equal(ruleset_read_file("/nowhere/rules.json", &ruleset, &diags), -ENOENT);
    assert_int_equal(diags.count, 1);
    assert_string_equal(diags.items[0].file, "/nowhere/rules.json");
    assert_non_null(strstr(diags.items[0].hint, "nft -j list ruleset"));
    diags_finish(&diags);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rule_reads_as_nft_prints_it),
        cmocka_unit_test(test_chains_have_hooks_priorities_and_policies),
        cmocka_unit_test(test_extensions_of_iptables_are_kept_as_unsure),
        cmocka_unit_test(test_owners_of_tables_are_left_out_of_text),
        cmocka_unit_test(test_wrong_json_is_refused_with_a_reason),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_a_missing_file_says_how_to_save_one),
    };

    folder = argv[1];
    return argc == 2 ? cmocka_run_group_tests(tests, NULL, NULL) : 2;
}
