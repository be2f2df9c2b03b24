/* Where chains end a connection, and what managers plan, from facts that are made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "firewall/firewall.h"
#include "firewall/model/rules.h"

/* ---- iptables ---- */

static struct rules_end walk_xt(const char *text, const struct flow *flow)
{
    struct rules rules;
    struct rules_end end;

    rules_of_xt(text, "ip", "filter", false, &rules);
    rules_walk(&rules, rules_find(&rules, "ip", "filter", "INPUT"), flow, &end);
    rules_finish(&rules);
    return end;
}

static const struct network everybody = {0};

static struct flow https(void)
{
    return (struct flow){.family = 4, .port = {443, PORT_TCP}, .asked = 443, .from = &everybody};
}

static void test_policy_and_trailing_reject_are_told_apart(void **state)
{
    struct flow flow = https();
    struct rules_end end =
        walk_xt("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n", &flow);

    assert_int_equal(end.outcome, OUTCOME_CLOSED);
    assert_int_equal(end.before, 1);
    end = walk_xt("-P INPUT ACCEPT\n-A INPUT -p icmp -j ACCEPT\n"
                  "-A INPUT -j REJECT --reject-with icmp-host-prohibited\n",
                  &flow);
    assert_int_equal(end.outcome, OUTCOME_CLOSED);
    assert_int_equal(end.before, 1);
}

static void test_what_holds_for_some_does_not_decide(void **state)
{
    struct flow flow = https();
    struct rules_end end = walk_xt("-P INPUT ACCEPT\n-A INPUT -s 192.0.2.0/24 -j DROP\n"
                                   "-A INPUT -m recent --update --seconds 60 -j DROP\n",
                                   &flow);

    assert_int_equal(end.outcome, OUTCOME_OPEN);
    assert_true(end.some_dropped);
    end = walk_xt("-P INPUT DROP\n-A INPUT -s 192.0.2.0/24 -p tcp --dport 443 -j ACCEPT\n", &flow);
    assert_int_equal(end.outcome, OUTCOME_CLOSED);
}

static void test_matches_of_iptables(void **state)
{
    static const char *const open[] = {
        "-A INPUT -p tcp -m multiport --dports 80,400:500 -j ACCEPT",
        "-A INPUT -p tcp -m tcp --dport 443 -m comment --comment \"a b\" -j ACCEPT",
        "-A INPUT ! -p udp -j ACCEPT",
        "-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -p tcp --dport 443 -j ACCEPT",
        "-A INPUT ! -i docker0 -p tcp --dport 443 -j ACCEPT",
        "-A INPUT -g web\n-N web\n-A web -p tcp -j ACCEPT",
    };
    static const char *const closed[] = {
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -p udp --dport 443 -j ACCEPT",
        "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p tcp ! --dport 443 -j ACCEPT",
        "-A INPUT -j LOG --log-prefix \"ACCEPT -j ACCEPT\"",
        "-A INPUT -j gone",
        "-A INPUT -j loop\n-N loop\n-A loop -j loop",
    };
    struct flow flow = https();

    for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
        scoped(mem_release) char *text = mem_format("-P INPUT DROP\n-N web\n%s\n", open[i]);
        assert_int_equal(walk_xt(text, &flow).outcome, OUTCOME_OPEN);
    }
    for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
        scoped(mem_release) char *text = mem_format("-P INPUT DROP\n-N loop\n%s\n", closed[i]);
        assert_int_equal(walk_xt(text, &flow).outcome, OUTCOME_CLOSED);
    }
}

static void test_docker_sends_elsewhere(void **state)
{
    struct flow flow = https();
    struct rules rules;

    rules_of_xt("-P PREROUTING ACCEPT\n-N DOCKER\n"
                "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
                "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 443 -j DNAT --to-destination "
                "172.17.0.2:8443\n",
                "ip", "nat", false, &rules);
    rules_translate(&rules, &flow);
    rules_finish(&rules);
    assert_true(flow.forwarded);
    assert_int_equal(flow.port.number, 8443);
    assert_int_equal(flow.asked, 443);
    assert_string_equal(flow.destination, "172.17.0.2");
}

/* ---- managers ---- */

static json_t *ruleset(const char *chain, const char *rules)
{
    scoped(mem_release) char *text =
        mem_format("[{\"table\":{\"family\":\"inet\",\"name\":\"f\",\"handle\":1}},%s%s%s]", chain,
                   *rules ? "," : "", rules);
    json_t *array = json_loads(text, 0, NULL);

    assert_non_null(array);
    return array;
}

static const char dropping[] =
    "{\"chain\":{\"family\":\"inet\",\"table\":\"f\",\"name\":\"in\",\"handle\":1,"
    "\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"drop\"}}";

#define RULE(handle, expr)                                                                         \
    "{\"rule\":{\"family\":\"inet\",\"table\":\"f\",\"chain\":\"in\",\"handle\":" #handle          \
    ",\"expr\":[" expr "]}}"

static struct firewall_facts privileged(json_t *rules)
{
    return (struct firewall_facts){.here = true,
                                   .privileged = true,
                                   .root = mem_string(span_str("/nonexistent")),
                                   .ruleset = rules,
                                   .has_nft = true};
}

static struct plan plan_for(const struct manager *manager, const struct firewall_facts *facts)
{
    struct firewall_request request = {.ports = {.items = {{443, PORT_TCP}}, .count = 1}};
    struct diags diags = {0};
    struct plan plan = {0};

    assert_int_equal(manager->plan_open(facts, &request, &plan, &diags), 0);
    assert_int_equal(diags.count, 0);
    return plan;
}

static enum presence presence_of(const struct manager *manager, const struct firewall_facts *facts)
{
    struct detection state = {0};

    manager->detect(facts, &state);
    assert_non_null(state.sentence);
    free(state.sentence);
    return state.presence;
}

static void test_nftables_appends_where_the_policy_drops(void **state)
{
    struct firewall_facts facts = privileged(ruleset(dropping, ""));
    struct plan plan = plan_for(&manager_nftables, &facts);

    assert_int_equal(presence_of(&manager_nftables, &facts), PRESENCE_IN_FORCE);
    assert_int_equal(plan.count, 1); /* no /etc/nftables.conf to keep it in */
    assert_string_equal(plan.items[0].action.text,
                        "add chain inet f gardien_in\n"
                        "add rule inet f gardien_in tcp dport 443 accept comment "
                        "\"gardien:443/tcp\"\n"
                        "add rule inet f in jump gardien_in comment \"gardien\"\n");
    assert_non_null(findings_first(&plan.notes, FINDING_WARNING));
    plan_finish(&plan);
    firewall_facts_finish(&facts);
}

static void test_nftables_goes_before_the_rule_that_decides(void **state)
{
    struct firewall_facts facts = privileged(
        ruleset(dropping, RULE(7, "{\"match\":{\"op\":\"==\",\"left\":{\"payload\":{\"protocol\":"
                                  "\"ip\",\"field\":\"saddr\"}},\"right\":\"192.0.2.1\"}},"
                                  "{\"drop\":null}") "," RULE(9, "{\"reject\":null}")));
    struct plan plan = plan_for(&manager_nftables, &facts);

    assert_int_equal(plan.count, 1);
    assert_non_null(strstr(plan.items[0].action.text,
                           "insert rule inet f in handle 9 jump gardien_in comment"));
    plan_finish(&plan);
    firewall_facts_finish(&facts);
}

static void test_nftables_adds_nothing_to_what_is_open(void **state)
{
    static const char *const open[] = {
        RULE(7, "{\"match\":{\"op\":\"==\",\"left\":{\"payload\":{\"protocol\":\"tcp\",\"field\":"
                "\"dport\"}},\"right\":{\"set\":[22,{\"range\":[400,500]}]}}},{\"accept\":null}"),
        RULE(7, "{\"vmap\":{\"key\":{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}},"
                "\"data\":{\"set\":[[443,{\"accept\":null}]]}}}"),
        RULE(7, "{\"match\":{\"op\":\"==\",\"left\":{\"concat\":[{\"meta\":{\"key\":\"l4proto\"}},"
                "{\"payload\":{\"protocol\":\"th\",\"field\":\"dport\"}}]},\"right\":{\"set\":"
                "[{\"concat\":[\"tcp\",443]}]}}},{\"accept\":null}"),
        RULE(7, "{\"match\":{\"op\":\"in\",\"left\":{\"ct\":{\"key\":\"state\"}},\"right\":"
                "[\"new\",\"established\"]}},{\"counter\":{}},{\"accept\":null}"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
        struct firewall_facts facts = privileged(ruleset(dropping, open[i]));
        struct plan plan = plan_for(&manager_nftables, &facts);
        assert_int_equal(plan.count, 0);
        plan_finish(&plan);
        firewall_facts_finish(&facts);
    }
}

static void test_tables_of_firewalld_and_iptables_are_theirs(void **state)
{
    json_t *rules = json_loads(
        "[{\"chain\":{\"family\":\"inet\",\"table\":\"firewalld\",\"name\":\"filter_INPUT\","
        "\"hook\":\"input\",\"type\":\"filter\",\"policy\":\"drop\"}},"
        "{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"INPUT\",\"hook\":\"input\","
        "\"type\":\"filter\",\"policy\":\"drop\"}}]",
        0, NULL);
    struct firewall_facts facts = privileged(rules);

    facts.has_iptables = true;
    assert_int_equal(presence_of(&manager_nftables, &facts), PRESENCE_IDLE);
    facts.has_iptables = false; /* nobody else could change them */
    assert_int_equal(presence_of(&manager_nftables, &facts), PRESENCE_IN_FORCE);
    firewall_facts_finish(&facts);
}

static void test_a_table_of_a_running_program_is_left_to_it(void **state)
{
    /* as nft 1.0 and 1.1 list it */
    static const char *const flags[] = {"owner", "owner,persist", "dormant,owner"};

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        struct firewall_facts facts = privileged(ruleset(dropping, ""));
        facts.ruleset_text = mem_format("table inet e { # handle 1\n\tchain x {\n\t}\n}\n"
                                        "table inet f { # handle 2 progname nft\n\tflags %s\n\n"
                                        "\tchain in { # handle 1\n\t}\n}\n",
                                        flags[i]);
        struct plan plan = plan_for(&manager_nftables, &facts);
        assert_int_equal(plan.count, 0);
        assert_non_null(findings_first(&plan.notes, FINDING_BAD));
        plan_finish(&plan);
        firewall_facts_finish(&facts);
    }
}

static void test_without_rights_a_manager_is_unknown(void **state)
{
    struct firewall_facts facts = {.here = true, .nftables_unit = true};

    assert_int_equal(presence_of(&manager_nftables, &facts), PRESENCE_UNKNOWN);
    facts.nftables_unit = false;
    assert_int_equal(presence_of(&manager_nftables, &facts), PRESENCE_ABSENT);
}

static void test_iptables_inserts_each_rule_where_it_counts(void **state)
{
    struct firewall_facts facts = privileged(NULL);
    struct firewall_request request = {.ports = ports_default()};
    struct diags diags = {0};
    struct plan plan = {0};

    facts.has_iptables = facts.has_persistent = true;
    facts.xt[IPTABLES_NFT][0].filter =
        mem_string(span_str("-P INPUT ACCEPT\n-A INPUT -p icmp -j ACCEPT\n-A INPUT -j REJECT\n"));
    assert_int_equal(presence_of(&manager_iptables_nft, &facts), PRESENCE_IN_FORCE);
    assert_int_equal(manager_iptables_nft.plan_open(&facts, &request, &plan, &diags), 0);
    assert_int_equal(plan.count, 4);
    assert_string_equal(plan.items[2].typed,
                        "iptables-nft -w 5 -I INPUT 4 -p udp -m udp --dport 443 -m comment "
                        "--comment gardien:443/udp -j ACCEPT");
    assert_string_equal(plan.items[3].typed, "netfilter-persistent save");
    assert_true(plan.items[3].undo_last);
    plan_finish(&plan);
    firewall_facts_finish(&facts);
}

static void test_rules_of_ufw_are_left_to_ufw(void **state)
{
    struct firewall_facts facts = privileged(NULL);

    facts.has_iptables = facts.ufw_enabled = true;
    facts.xt[IPTABLES_NFT][0].filter =
        mem_string(span_str("-P INPUT DROP\n-N ufw-user-input\n-A INPUT -j ufw-user-input\n"));
    assert_int_equal(presence_of(&manager_iptables_nft, &facts), PRESENCE_IDLE);
    facts.ufw_enabled = false;
    assert_int_equal(presence_of(&manager_iptables_nft, &facts), PRESENCE_IN_FORCE);
    firewall_facts_finish(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_and_trailing_reject_are_told_apart),
        cmocka_unit_test(test_what_holds_for_some_does_not_decide),
        cmocka_unit_test(test_matches_of_iptables),
        cmocka_unit_test(test_docker_sends_elsewhere),
        cmocka_unit_test(test_nftables_appends_where_the_policy_drops),
        cmocka_unit_test(test_nftables_goes_before_the_rule_that_decides),
        cmocka_unit_test(test_nftables_adds_nothing_to_what_is_open),
        cmocka_unit_test(test_tables_of_firewalld_and_iptables_are_theirs),
        cmocka_unit_test(test_a_table_of_a_running_program_is_left_to_it),
        cmocka_unit_test(test_without_rights_a_manager_is_unknown),
        cmocka_unit_test(test_iptables_inserts_each_rule_where_it_counts),
        cmocka_unit_test(test_rules_of_ufw_are_left_to_ufw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
