/* Where chains end a connection, and what managers plan, from facts that are made up here. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/nsec.h"
#include "firewall/firewall.h"
#include "firewall/model/passage.h"
#include "firewall/model/ruleset_iptables.h"

/* ---- iptables ---- */

/* A TCP packet to port 443 over IPv4, from anywhere, through one table of `iptables -S`. */
static struct passage passage_of(const char *text, const char *table)
{
    const struct ruleset_iptables what = {
        .family = RULESET_IP, .source = RULESET_IPTABLES_LEGACY, .table = table};
    struct passage_question question = {
        .ruleset = ruleset_create(),
        .probe = {.family = AF_INET, .protocol = IPPROTO_TCP, .source = {1, 2, 3, 4}, .port = 443}};
    struct passage passage;

    assert_int_equal(
        ruleset_add_iptables((struct ruleset *)(uintptr_t)question.ruleset, text, &what), 0);
    passage_find(&question, &passage);
    for (size_t i = 0; i < passage.count; i++) /* which the test needs no more of */
        passage.blocks[i].chain = NULL;
    ruleset_destroy((struct ruleset *)(uintptr_t)question.ruleset);
    return passage;
}

static void test_policy_and_trailing_reject_are_told_apart(void **state)
{
    struct passage passage =
        passage_of("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n", "filter");

    assert_int_equal(passage.count, 1);
    assert_int_equal(passage.blocks[0].before, 1);
    passage = passage_of("-P INPUT ACCEPT\n-A INPUT -p icmp -j ACCEPT\n"
                         "-A INPUT -j REJECT --reject-with icmp-host-prohibited\n",
                         "filter");
    assert_int_equal(passage.count, 1);
    assert_int_equal(passage.blocks[0].before, 1);
}

static void test_what_holds_for_some_does_not_decide(void **state)
{
    struct passage passage = passage_of("-P INPUT ACCEPT\n-A INPUT -s 192.0.2.0/24 -j DROP\n"
                                        "-A INPUT -m recent --update --seconds 60 -j DROP\n",
                                        "filter");

    assert_int_equal(passage.count, 0);
    passage = passage_of("-P INPUT ACCEPT\n-A INPUT -s 192.0.2.0/24 -j DROP\n-A INPUT -j DROP\n",
                         "filter");
    assert_int_equal(passage.count, 1);
    assert_int_equal(passage.blocks[0].before, 1);
    assert_true(passage.blocks[0].some_dropped);
    passage = passage_of("-P INPUT DROP\n-A INPUT -s 192.0.2.0/24 -p tcp --dport 443 -j ACCEPT\n",
                         "filter");
    assert_int_equal(passage.count, 1);
}

static void test_an_accept_for_one_address_is_not_for_everybody(void **state)
{
    struct passage passage =
        passage_of("-P INPUT DROP\n-A INPUT -s 1.0.0.0/8 -j ACCEPT\n", "filter");

    assert_int_equal(passage.count, 1); /* though the probe comes from there */
    assert_int_equal(passage.blocks[0].before, 1);
}

static void test_rules_for_all_but_some_close_the_port(void **state)
{
    static const char *const closing[] = {
        "-A INPUT ! -s 10.0.0.0/8 -p tcp --dport 443 -j DROP",
        "-A INPUT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcp --dport 443 -j DROP",
        "-A INPUT -m iprange ! --src-range 10.0.0.1-10.0.0.9 -j REJECT",
        "-A INPUT -m addrtype --dst-type LOCAL -p tcp --dport 443 -j DROP",
    };

    for (size_t i = 0; i < ARRAY_SIZE(closing); i++) {
        scoped(mem_release) char *text = mem_format("-P INPUT ACCEPT\n%s\n", closing[i]);
        struct passage passage = passage_of(text, "filter");
        if (passage.count != 1)
            fail_msg("%s: %zu", closing[i], passage.count);
        assert_int_equal(passage.blocks[0].before, 0);
    }
}

static void test_a_chain_for_what_leaves_closes_the_port_too(void **state)
{
    struct passage passage = passage_of("-P INPUT ACCEPT\n-P OUTPUT DROP\n"
                                        "-A OUTPUT -p udp --dport 53 -j ACCEPT\n",
                                        "filter");

    assert_int_equal(passage.count, 1);
    assert_true(passage.blocks[0].answer);
    assert_int_equal(passage.blocks[0].before, 1);
    passage = passage_of("-P INPUT ACCEPT\n-P OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate "
                         "RELATED,ESTABLISHED -j ACCEPT\n",
                         "filter");
    assert_int_equal(passage.count, 0);
}

static void test_tables_before_conntrack_are_told(void **state)
{
    struct passage passage =
        passage_of("-P PREROUTING ACCEPT\n-A PREROUTING -p tcp --dport 443 -j DROP\n", "raw");

    assert_int_equal(passage.count, 1);
    assert_true(passage.blocks[0].early);
    passage =
        passage_of("-P PREROUTING ACCEPT\n-A PREROUTING -p tcp --dport 443 -j DROP\n", "mangle");
    assert_int_equal(passage.count, 1);
    assert_false(passage.blocks[0].early);
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
        "-A INPUT -j MARK --set-xmark 0x3/0xff\n-A INPUT -m mark --mark 0x1/0x1 -j ACCEPT",
        "-A INPUT -s 1.2.3.4/0 -p 6 --dport 440:450 -j ACCEPT",
        "-A INPUT -m pkttype --pkt-type broadcast -j DROP\n-A INPUT -p tcp -j ACCEPT",
    };
    static const char *const closed[] = {
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -p udp --dport 443 -j ACCEPT",
        "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -p tcp ! --dport 443 -j ACCEPT",
        "-A INPUT -j LOG --log-prefix \"ACCEPT -j ACCEPT\"",
        "-A INPUT -j gone",
        "-A INPUT -m set --match-set friends src -j ACCEPT",
        "-A INPUT -f -j ACCEPT",
        "-A INPUT -m owner --uid-owner 33 -j ACCEPT",
    };

    for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
        scoped(mem_release) char *text = mem_format("-P INPUT DROP\n-N web\n%s\n", open[i]);
        if (passage_of(text, "filter").count != 0)
            fail_msg("%s", open[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
        scoped(mem_release) char *text = mem_format("-P INPUT DROP\n-N loop\n%s\n", closed[i]);
        if (passage_of(text, "filter").count != 1)
            fail_msg("%s", closed[i]);
    }
}

static void test_docker_sends_elsewhere(void **state)
{
    struct passage passage =
        passage_of("-P PREROUTING ACCEPT\n-N DOCKER\n"
                   "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
                   "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 443 -j DNAT --to-destination "
                   "172.17.0.2:8443\n",
                   "nat");

    assert_true(passage.forwarded);
    assert_int_equal(passage.port, 8443);
    assert_string_equal(passage.destination, "172.17.0.2");
}

/* 2^16 ways through 17 chains, of which each jumps twice to the next. */
static void test_chains_that_jump_to_the_same_again_are_walked_once(void **state)
{
    struct buffer text = buffer_make(64 * 1024);

    assert_true(buffer_printf(&text, "-P INPUT DROP\n-A INPUT -j c1\n-A INPUT -j c1\n") >= 0);
    for (int i = 1; i < 15; i++)
        assert_true(buffer_printf(&text, "-N c%d\n-A c%d -p tcp -j c%d\n-A c%d -p tcp -j c%d\n", i,
                                  i, i + 1, i, i + 1) >= 0);
    assert_true(buffer_printf(&text, "-N c15\n") >= 0);
    for (int i = 0; i < 100; i++)
        assert_true(buffer_printf(&text, "-A c15 -s 192.0.2.%d -j DROP\n", i) >= 0);
    scoped(mem_release) char *rules = mem_string(buffer_span(&text));
    nsec_t start = nsec_monotonic();
    struct passage passage = passage_of(rules, "filter");
    assert_int_equal(passage.count, 1);
    assert_int_equal(passage.blocks[0].before, 2);
    assert_true(nsec_monotonic() - start < NSEC_PER_SEC);
    buffer_finish(&text);
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
        "[{\"table\":{\"family\":\"inet\",\"name\":\"firewalld\"}},"
        "{\"table\":{\"family\":\"ip\",\"name\":\"filter\"}},"
        "{\"chain\":{\"family\":\"inet\",\"table\":\"firewalld\",\"name\":\"filter_INPUT\","
        "\"hook\":\"input\",\"prio\":0,\"type\":\"filter\",\"policy\":\"drop\"}},"
        "{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"INPUT\",\"hook\":\"input\","
        "\"prio\":0,"
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
        cmocka_unit_test(test_an_accept_for_one_address_is_not_for_everybody),
        cmocka_unit_test(test_rules_for_all_but_some_close_the_port),
        cmocka_unit_test(test_a_chain_for_what_leaves_closes_the_port_too),
        cmocka_unit_test(test_tables_before_conntrack_are_told),
        cmocka_unit_test(test_docker_sends_elsewhere),
        cmocka_unit_test(test_chains_that_jump_to_the_same_again_are_walked_once),
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
