/* The Windows Firewall: plans from what is there, and what is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/firewall.h"
#include "firewall/windows/windows_judge.h"

enum { DOMAIN = POLICY_DOMAIN, PRIVATE = POLICY_PRIVATE, PUBLIC = POLICY_PUBLIC };

/* A Windows on a private network, its firewall on, whose rules are these. */
static struct firewall_facts machine(void)
{
    struct firewall_facts facts = {.here = true, .privileged = true};

    facts.policy = (struct policy){.seen = true,
                                   .profiles_known = true,
                                   .active = PRIVATE,
                                   .enabled = DOMAIN | PRIVATE | PUBLIC,
                                   .rules_known = true};
    return facts;
}

static struct policy_rule *add(struct firewall_facts *facts, const char *name, const char *ports)
{
    struct policy *policy = &facts->policy;
    struct policy_rule rule = {.name = (char *)name,
                               .ports = (char *)ports,
                               .protocol = POLICY_TCP,
                               .profiles = DOMAIN | PRIVATE,
                               .enabled = true};

    policy->rules = mem_resize(policy->rules, policy->count + 1, sizeof *policy->rules);
    policy->rules[policy->count] = policy_rule_copy(&rule);
    return &policy->rules[policy->count++];
}

/* Both rules of a port, as gardien makes them. */
static void add_ours(struct firewall_facts *facts)
{
    add(facts, "gardien 443/tcp", "443");
    add(facts, "gardien 443/tcp out", "443")->out = true;
}

static struct firewall_request request_for(const char *port)
{
    struct firewall_request request = {0};
    struct diags diags = {0};

    if (port)
        assert_int_equal(ports_parse(&port, 1, &diags, &request.ports), 0);
    return request;
}

static struct plan plan(const struct firewall_facts *facts, const struct firewall_request *request,
                        bool opens)
{
    struct plan plan = {0};
    struct diags diags = {0};
    int r = opens ? manager_windows.plan_open(facts, request, &plan, &diags)
                  : manager_windows.plan_close(facts, request, &plan, &diags);

    assert_int_equal(r, 0);
    return plan;
}

static const struct policy_order *order(const struct plan *plan, size_t at)
{
    assert_true(at < plan->count);
    assert_int_equal(plan->items[at].action.kind, PLAN_SYSTEM);
    return &plan->items[at].action.policy;
}

static bool says(const struct findings *findings, const char *text)
{
    for (size_t i = 0; i < findings->count; i++)
        if (strstr(findings->items[i].sentence, text))
            return true;
    return false;
}

/* ---- is it in force? ---- */

static void test_it_is_in_force_when_it_is_on_for_a_network_that_is_there(void **state)
{
    struct firewall_facts facts = machine(), other = {.here = true};
    struct detection found;

    manager_windows.detect(&facts, &found);
    assert_int_equal(found.presence, PRESENCE_IN_FORCE);
    assert_non_null(strstr(found.sentence, "private"));
    free(found.sentence);
    facts.policy.enabled = DOMAIN | PUBLIC;
    manager_windows.detect(&facts, &found);
    assert_int_equal(found.presence, PRESENCE_IDLE);
    free(found.sentence);
    facts.policy.profiles_known = false;
    manager_windows.detect(&facts, &found);
    assert_int_equal(found.presence, PRESENCE_IN_FORCE);
    free(found.sentence);
    manager_windows.detect(&other, &found);
    assert_int_equal(found.presence, PRESENCE_ABSENT);
    free(found.sentence);
}

/* ---- open ---- */

static void test_open_twice_is_open_once(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();
    struct plan made = plan(&facts, &request, true);

    assert_int_equal(made.count, 2);
    plan_finish(&made);
    add_ours(&facts);
    made = plan(&facts, &request, true);
    assert_int_equal(made.count, 0);
    plan_finish(&made);
    policy_finish(&facts.policy);
}

static void test_another_rule_of_the_name_is_replaced_and_its_undo_brings_it_back(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    add_ours(&facts);
    facts.policy.rules[0].remote = mem_string(SPAN("192.0.2.0/255.255.255.0"));
    struct plan made = plan(&facts, &request, true);
    assert_int_equal(made.count, 2);
    assert_int_equal(order(&made, 0)->verb, POLICY_REMOVE);
    assert_int_equal(made.items[0].undo.policy.verb, POLICY_ADD);
    assert_string_equal(made.items[0].undo.policy.rule.remote, "192.0.2.0/255.255.255.0");
    assert_int_equal(order(&made, 1)->verb, POLICY_ADD);
    assert_null(order(&made, 1)->rule.remote);
    plan_finish(&made);
    policy_finish(&facts.policy);
}

static void test_addresses_are_the_same_however_windows_writes_them(void **state)
{
    static const char *const cases[][2] = {{"192.0.2.0/24", "192.0.2.0/255.255.255.0"},
                                           {"192.0.2.7", "192.0.2.7/255.255.255.255"},
                                           {"192.0.2.7", "192.0.2.7"},
                                           {"2001:db8::/32", "2001:db8::/32"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct firewall_request request = request_for("443");
        struct firewall_facts facts = machine();
        struct diags diags = {0};
        assert_int_equal(network_parse(cases[i][0], &diags, &request.from), 0);
        add_ours(&facts);
        for (size_t k = 0; k < 2; k++)
            facts.policy.rules[k].remote = mem_string(span_str(cases[i][1]));
        struct plan made = plan(&facts, &request, true);
        assert_int_equal(made.count, 0);
        plan_finish(&made);
        policy_finish(&facts.policy);
    }
}

static void test_two_rules_of_one_name_become_one(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    add_ours(&facts);
    add(&facts, "gardien 443/tcp", "443");
    struct plan made = plan(&facts, &request, true);
    assert_int_equal(made.count, 3);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(order(&made, i)->verb, POLICY_REMOVE);
    assert_int_equal(order(&made, 2)->verb, POLICY_ADD);
    plan_finish(&made);
    policy_finish(&facts.policy);
}

static void test_a_rule_that_was_switched_off_is_made_anew(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    add_ours(&facts);
    facts.policy.rules[0].enabled = false;
    struct plan made = plan(&facts, &request, true);
    assert_int_equal(made.count, 2);
    assert_true(order(&made, 1)->rule.enabled);
    plan_finish(&made);
    policy_finish(&facts.policy);
}

static void test_a_network_of_another_profile_is_warned_of_before(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    facts.policy.active = PUBLIC;
    struct plan made = plan(&facts, &request, true);
    assert_true(says(&made.notes, "on a network of the profile public"));
    plan_finish(&made);
    request.profile = "domain,private,public";
    made = plan(&facts, &request, true);
    assert_false(says(&made.notes, "on a network of the profile public"));
    assert_true(says(&made.notes, "everybody there can reach the ports"));
    plan_finish(&made);
}

/* ---- close ---- */

static void test_close_without_ports_removes_all_of_ours_and_no_other(void **state)
{
    struct firewall_request request = request_for(NULL);
    struct firewall_facts facts = machine();

    add_ours(&facts);
    add(&facts, "gardien 8443/tcp", "8443");
    add(&facts, "gardien of the galaxy", "443");
    add(&facts, "Web", "443");
    struct plan made = plan(&facts, &request, false);
    assert_int_equal(made.count, 3);
    for (size_t i = 0; i < made.count; i++) {
        assert_int_equal(order(&made, i)->verb, POLICY_REMOVE);
        assert_int_equal(made.items[i].undo.policy.verb, POLICY_ADD);
    }
    plan_finish(&made);
    request = request_for("8443");
    made = plan(&facts, &request, false);
    assert_int_equal(made.count, 1);
    assert_string_equal(order(&made, 0)->rule.name, "gardien 8443/tcp");
    plan_finish(&made);
    request = request_for("443/udp");
    made = plan(&facts, &request, false);
    assert_int_equal(made.count, 0);
    plan_finish(&made);
    policy_finish(&facts.policy);
}

static void test_force_switches_off_what_lets_in_just_that_port(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    add(&facts, "It's the web", "443");
    add(&facts, "Many", "80,443");
    add(&facts, "Blocks", "443")->block = true;
    add(&facts, "Out", "443")->out = true;
    add(&facts, "Over UDP", "443")->protocol = POLICY_UDP;
    request.force = true;
    struct plan made = plan(&facts, &request, false);
    assert_int_equal(made.count, 1);
    assert_int_equal(order(&made, 0)->verb, POLICY_SWITCH);
    assert_false(order(&made, 0)->rule.enabled);
    assert_true(made.items[0].undo.policy.rule.enabled);
    assert_non_null(strstr(made.items[0].typed, "-DisplayName 'It''s the web'"));
    assert_true(says(&made.notes, "It's the web"));
    plan_finish(&made);
    policy_finish(&facts.policy);
}

static void test_where_rules_cannot_be_read_the_names_are_removed(void **state)
{
    struct firewall_request request = request_for(NULL);
    struct firewall_facts facts = machine();

    facts.policy.rules_known = false;
    struct plan made = plan(&facts, &request, false);
    assert_int_equal(made.count, 6);
    assert_string_equal(order(&made, 5)->rule.name, "gardien 443/udp out");
    plan_finish(&made);
}

static void test_the_way_back_crosses_to_another_process(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();
    struct plan back;

    add_ours(&facts);
    facts.policy.rules[0].remote = mem_string(SPAN("192.0.2.0/24"));
    struct plan made = plan(&facts, &request, true);
    json_t *list = policy_plan_json(&made);
    assert_int_equal(policy_plan_parse(list, &back), 0);
    assert_int_equal(back.count, 2);
    assert_int_equal(back.items[0].undo.policy.verb, POLICY_ADD);
    assert_string_equal(back.items[0].undo.policy.rule.remote, "192.0.2.0/24");
    assert_int_equal(back.items[0].undo.policy.rule.profiles, DOMAIN | PRIVATE);
    assert_true(back.items[0].undo.policy.rule.enabled);
    assert_int_equal(back.items[1].undo.policy.verb, POLICY_REMOVE);
    plan_finish(&back);
    json_array_append_new(list, json_pack("{s:s, s:s}", "do", "drop", "name", "x"));
    assert_int_equal(policy_plan_parse(list, &back), ERR_SYNTAX);
    plan_finish(&back);
    json_decref(list);
    plan_finish(&made);
    policy_finish(&facts.policy);
}

/* ---- the proof ---- */

static size_t judge(const struct firewall_facts *facts, const struct firewall_request *request,
                    const char *sentence, enum finding_grade grade)
{
    struct findings findings = {0};
    size_t closed = windows_judge(&facts->policy, request, &findings);

    if (!says(&findings, sentence))
        fail_msg("no \"%s\"", sentence);
    assert_int_equal(findings_worst(&findings), grade);
    findings_finish(&findings);
    return closed;
}

static void test_what_is_read_back_is_the_proof(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    assert_int_equal(judge(&facts, &request, "the rule is not there", FINDING_BAD), 1);
    add_ours(&facts);
    assert_int_equal(judge(&facts, &request, "profiles domain,private", FINDING_GOOD), 0);
    facts.policy.active = PRIVATE | PUBLIC;
    assert_int_equal(judge(&facts, &request, "has the profile public", FINDING_WARNING), 0);
    facts.policy.active = PUBLIC;
    assert_int_equal(judge(&facts, &request, "this one has the profile public", FINDING_BAD), 1);
    facts.policy.active = PRIVATE;
    facts.policy.blocks_all = PRIVATE;
    assert_int_equal(judge(&facts, &request, "all that comes in is blocked", FINDING_BAD), 1);
    facts.policy.blocks_all = 0;
    facts.policy.enabled = PUBLIC;
    assert_int_equal(judge(&facts, &request, "switched off", FINDING_NOTE), 0);
    facts.policy.rules_known = facts.policy.profiles_known = false;
    assert_int_equal(judge(&facts, &request, "could not be read back", FINDING_UNKNOWN), 0);
    policy_finish(&facts.policy);
}

static void test_a_rule_that_blocks_outweighs_ours(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    add_ours(&facts);
    struct policy_rule *block = add(&facts, "No web", "80, 400-500");
    block->block = true;
    assert_int_equal(judge(&facts, &request, "\"No web\" blocks it", FINDING_BAD), 1);
    block->profiles = PUBLIC; /* of networks that are not there */
    assert_int_equal(judge(&facts, &request, "the rule is there", FINDING_GOOD), 0);
    policy_finish(&facts.policy);
}

static void test_a_program_that_was_refused_is_named(void **state)
{
    struct firewall_request request = request_for("443");
    struct firewall_facts facts = machine();

    add_ours(&facts);
    struct policy_rule *refused = add(&facts, "node", NULL);
    refused->block = true;
    refused->program = mem_string(SPAN("C:\\node.exe"));
    assert_int_equal(judge(&facts, &request, "\"node\" blocks this program", FINDING_NOTE), 0);
    policy_finish(&facts.policy);
}

static void test_lists_of_ports_as_windows_writes_them(void **state)
{
    assert_true(policy_ports_hold("443", 443));
    assert_true(policy_ports_hold("80, 443", 443));
    assert_true(policy_ports_hold("400-500", 443));
    assert_true(policy_ports_hold("*", 443) && policy_ports_hold(NULL, 443));
    assert_false(policy_ports_hold("444-500", 443));
    assert_false(policy_ports_hold("RPC", 443));
    assert_false(policy_ports_hold("", 443));
    assert_false(policy_ports_hold("-443", 443));
    assert_false(policy_ports_hold("443-", 443));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_in_force_when_it_is_on_for_a_network_that_is_there),
        cmocka_unit_test(test_open_twice_is_open_once),
        cmocka_unit_test(test_another_rule_of_the_name_is_replaced_and_its_undo_brings_it_back),
        cmocka_unit_test(test_addresses_are_the_same_however_windows_writes_them),
        cmocka_unit_test(test_two_rules_of_one_name_become_one),
        cmocka_unit_test(test_a_rule_that_was_switched_off_is_made_anew),
        cmocka_unit_test(test_a_network_of_another_profile_is_warned_of_before),
        cmocka_unit_test(test_close_without_ports_removes_all_of_ours_and_no_other),
        cmocka_unit_test(test_force_switches_off_what_lets_in_just_that_port),
        cmocka_unit_test(test_where_rules_cannot_be_read_the_names_are_removed),
        cmocka_unit_test(test_the_way_back_crosses_to_another_process),
        cmocka_unit_test(test_what_is_read_back_is_the_proof),
        cmocka_unit_test(test_a_rule_that_blocks_outweighs_ours),
        cmocka_unit_test(test_a_program_that_was_refused_is_named),
        cmocka_unit_test(test_lists_of_ports_as_windows_writes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
