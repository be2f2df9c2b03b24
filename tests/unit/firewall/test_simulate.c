/* What becomes of packets in the simulator. tests/flow/test_why_generated.py compares it with the
 * kernel. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "firewall/firewall.h"

static const char *folder; /* of the saved rulesets */

/* One table inet t; quotes are written ' */
static struct ruleset *rules(const char *objects)
{
    struct ruleset *ruleset = NULL;
    char *why = NULL;
    char *json = mem_format("{'nftables': [{'table': {'family': 'inet', 'name': 't'}}%s%s]}",
                            *objects ? ", " : "", objects);

    for (char *at = json; *at; at++)
        if (*at == '\'')
            *at = '"';
    if (ruleset_parse(span_str(json), &ruleset, &why) < 0)
        fail_msg("%s: %s", why, json);
    free(json);
    return ruleset;
}

#define CHAIN(name) "{'chain': {'family': 'inet', 'table': 't', 'name': '" name "'}}"
#define BASE(name, type, hook, priority, policy)                                                   \
    "{'chain': {'family': 'inet', 'table': 't', 'name': '" name "', 'type': '" type                \
    "', 'hook': '" hook "', 'prio': " priority ", 'policy': '" policy "'}}"
#define INPUT(policy) BASE("in", "filter", "input", "0", policy)
#define RULE(chain, handle, statements)                                                            \
    ", {'rule': {'family': 'inet', 'table': 't', 'chain': '" chain "', 'handle': " handle          \
    ", 'expr': [" statements "]}}"
#define MATCH(left, op, right) "{'match': {'op': '" op "', 'left': " left ", 'right': " right "}}, "
#define TCP_PORT "{'payload': {'protocol': 'tcp', 'field': 'dport'}}"
#define MARK "{'meta': {'key': 'mark'}}"
#define USER "{'meta': {'key': 'skuid'}}"
#define ACCEPT "{'accept': null}"
#define DROP "{'drop': null}"

static struct firewall_probe probe_from(const char *source, uint16_t port)
{
    struct firewall_probe probe = {.family = strchr(source, ':') ? AF_INET6 : AF_INET,
                                   .protocol = IPPROTO_TCP,
                                   .port = port,
                                   .interface = "eth0"};

    inet_pton(probe.family, source, probe.source);
    inet_pton(probe.family, probe.family == AF_INET ? "10.99.0.1" : "fd99::1", probe.destination);
    return probe;
}

/* Simulates and compares; handle 0: a policy, -1: no culprit. */
static void expect(const struct ruleset *ruleset, const struct firewall_probe *probe,
                   enum firewall_verdict verdict, long handle)
{
    struct firewall_path path;

    firewall_path_init(&path, probe);
    simulate(ruleset, NULL, &path);
    if (path.verdict != verdict)
        fail_msg("%s, not %s: %s", firewall_verdict_name(path.verdict),
                 firewall_verdict_name(verdict), path.reason);
    if (handle < 0)
        assert_int_equal(path.culprit, FIREWALL_NO_CULPRIT);
    else
        assert_true(path.culprit < path.count);
    if (handle >= 0)
        assert_int_equal(path.steps[path.culprit].handle, handle);
    assert_int_equal(path.witness, FIREWALL_BY_SIMULATOR);
    firewall_path_finish(&path);
}

/* A TCP packet from 10.99.0.2 to port 443. */
static void becomes(const char *objects, enum firewall_verdict verdict, long handle)
{
    struct ruleset *ruleset = rules(objects);
    struct firewall_probe probe = probe_from("10.99.0.2", 443);

    expect(ruleset, &probe, verdict, handle);
    ruleset_destroy(ruleset);
}

static void test_without_rules_everything_is_let_in(void **state)
{
    becomes("", FIREWALL_ACCEPTED, -1);
    becomes(INPUT("accept"), FIREWALL_ACCEPTED, -1);
    becomes(INPUT("drop"), FIREWALL_DROPPED, 0);
}

static void test_the_first_matching_rule_decides(void **state)
{
    becomes(INPUT("drop") RULE("in", "5", MATCH(TCP_PORT, "==", "443") ACCEPT)
                RULE("in", "6", DROP),
            FIREWALL_ACCEPTED, -1);
    becomes(INPUT("accept") RULE("in", "5", MATCH(TCP_PORT, "==", "80") ACCEPT)
                RULE("in", "6", "{'reject': null}"),
            FIREWALL_REJECTED, 6);
}

static void test_an_accept_does_not_override_a_later_chain(void **state)
{
    becomes(BASE("early", "filter", "input", "-10", "accept") "," INPUT("drop")
                RULE("early", "5", ACCEPT),
            FIREWALL_DROPPED, 0);
}

static void test_among_equal_priorities_the_last_chain_runs_first(void **state)
{
    becomes(INPUT("accept") "," BASE("in2", "filter", "input", "0", "accept") RULE("in", "5", DROP)
                RULE("in2", "6", DROP),
            FIREWALL_DROPPED, 6);
}

static void test_return_and_the_end_of_goto_lead_to_the_policy(void **state)
{
    becomes(INPUT("drop") "," CHAIN("a") RULE("in", "5", "{'goto': {'target': 'a'}}")
                RULE("in", "6", ACCEPT),
            FIREWALL_DROPPED, 0);
    becomes(INPUT("drop") "," CHAIN("a") RULE("in", "5", "{'jump': {'target': 'a'}}")
                RULE("in", "6", ACCEPT) RULE("a", "7", "{'return': null}") RULE("a", "8", DROP),
            FIREWALL_ACCEPTED, -1);
}

static void test_a_mark_set_before_is_seen_after(void **state)
{
    becomes(INPUT("drop") RULE("in", "5", "{'mangle': {'key': " MARK ", 'value': 6}}")
                RULE("in", "6", MATCH("{'&': [" MARK ", 3]}", "==", "2") ACCEPT),
            FIREWALL_ACCEPTED, -1);
}

static void test_what_is_unknown_stays_unknown_and_is_named(void **state)
{
    becomes(INPUT("drop") RULE("in", "5", MATCH(USER, "==", "0") ACCEPT), FIREWALL_UNKNOWN, 5);
    becomes(INPUT("accept") RULE("in", "5", "{'limit': {'rate': 1, 'per': 'second'}}, " DROP),
            FIREWALL_UNKNOWN, 5);
    becomes(INPUT("accept") RULE("in", "5", "{'queue': {'num': 1}}"), FIREWALL_UNKNOWN, 5);
}

/* As read from `nft -t`: the sets are there and their elements are not. */
static void becomes_without_elements(const char *objects, enum firewall_verdict verdict,
                                     long handle)
{
    struct ruleset *ruleset = rules(objects);
    struct firewall_probe probe = probe_from("10.99.0.2", 443);

    ruleset->elements_unknown = true;
    expect(ruleset, &probe, verdict, handle);
    ruleset_destroy(ruleset);
}

static void test_sets_whose_elements_were_left_out_are_unknown(void **state)
{
#define SET_OF_PORTS                                                                               \
    ", {'set': {'family': 'inet', 'table': 't', 'name': 's', 'type': 'inet_service'}}"
#define MAP_OF_PORTS(data)                                                                         \
    ", {'map': {'family': 'inet', 'table': 't', 'name': 'm', 'type': 'inet_service', 'map': "      \
    "'" data "'}}"
#define LOOK_UP "{'vmap': {'key': " TCP_PORT ", 'data': '@m'}}"
    const char *matched =
        INPUT("drop") SET_OF_PORTS RULE("in", "5", MATCH(TCP_PORT, "==", "'@s'") ACCEPT);
    const char *mapped = INPUT("accept") MAP_OF_PORTS("verdict") RULE("in", "5", LOOK_UP);
    const char *marked = INPUT("accept") MAP_OF_PORTS("mark")
        RULE("in", "5",
             "{'mangle': {'key': " MARK ", 'value': {'map': {'key': " TCP_PORT ", 'data': '@m'}}}}")
            RULE("in", "6", MATCH(MARK, "==", "1") DROP);

    becomes(matched, FIREWALL_DROPPED, 0);
    becomes_without_elements(matched, FIREWALL_UNKNOWN, 5);
    becomes(mapped, FIREWALL_ACCEPTED, -1);
    becomes_without_elements(mapped, FIREWALL_UNKNOWN, 5);
    becomes(marked, FIREWALL_ACCEPTED, -1);
    becomes_without_elements(marked, FIREWALL_UNKNOWN, 6);
    /* Whatever they are, the packet is dropped; and sets within rules are listed in any case. */
    becomes_without_elements(INPUT("drop")
                                 SET_OF_PORTS RULE("in", "5", MATCH(TCP_PORT, "==", "'@s'") DROP),
                             FIREWALL_DROPPED, 0);
    becomes_without_elements(INPUT("drop") SET_OF_PORTS RULE(
                                 "in", "5", MATCH(TCP_PORT, "==", "{'set': [80, 443]}") ACCEPT),
                             FIREWALL_ACCEPTED, -1);
}

static void test_an_unknown_that_changes_nothing_is_no_matter(void **state)
{
    becomes(INPUT("accept") RULE("in", "5", MATCH(USER, "==", "0") ACCEPT)
                RULE("in", "6", MATCH(USER, "!=", "0") "{'counter': null}"),
            FIREWALL_ACCEPTED, -1);
    becomes(INPUT("drop") RULE("in", "5", MATCH(USER, "==", "0") DROP), FIREWALL_DROPPED, 0);
}

static void test_a_maybe_changed_mark_is_unknown_in_its_changed_bits_only(void **state)
{
#define MAYBE_MARKED                                                                               \
    RULE("in", "5", MATCH(USER, "==", "0") "{'mangle': {'key': " MARK ", 'value': 1}}")
    becomes(INPUT("drop") MAYBE_MARKED RULE("in", "6", MATCH(MARK, "==", "1") ACCEPT),
            FIREWALL_UNKNOWN, 6);
    becomes(INPUT("drop") MAYBE_MARKED RULE("in", "6", MATCH(MARK, "<", "2") ACCEPT),
            FIREWALL_ACCEPTED, -1);
}

static void test_a_circle_of_jumps_ends(void **state)
{
    becomes(INPUT("drop") "," CHAIN("a") RULE("in", "5", "{'jump': {'target': 'a'}}")
                RULE("a", "6", "{'jump': {'target': 'a'}}"),
            FIREWALL_UNKNOWN, -1);
}

static void test_a_header_that_is_not_there_never_matches(void **state)
{
#define UDP_PORT "{'payload': {'protocol': 'udp', 'field': 'dport'}}"
    becomes(INPUT("accept") RULE("in", "5", MATCH(UDP_PORT, "!=", "1") DROP) RULE(
                "in", "6",
                MATCH("{'payload': {'protocol': 'ip6', 'field': 'saddr'}}", "!=", "'::1'") DROP),
            FIREWALL_ACCEPTED, -1);
}

static void test_conntrack_knows_the_packet_from_its_priority_on(void **state)
{
#define CT_STATE "{'ct': {'key': 'state'}}"
    becomes(BASE("raw", "filter", "prerouting", "-300", "accept")
                RULE("raw", "5", MATCH(CT_STATE, "in", "'new'") DROP),
            FIREWALL_ACCEPTED, -1);
    becomes(BASE("mangle", "filter", "prerouting", "-150", "accept")
                RULE("mangle", "5", MATCH(CT_STATE, "in", "'new'") DROP),
            FIREWALL_DROPPED, 5);
    becomes(BASE("raw", "filter", "prerouting", "-300", "accept") "," INPUT("accept")
                RULE("raw", "5", "{'notrack': null}")
                    RULE("in", "6", MATCH(CT_STATE, "==", "'untracked'") DROP),
            FIREWALL_DROPPED, 6);
}

static void test_dnat_leads_to_the_forward_chain(void **state)
{
    becomes(BASE("nat", "nat", "prerouting", "-100",
                 "accept") "," INPUT("drop") "," BASE("fw", "filter", "forward", "0", "accept")
                RULE("nat", "5", "{'dnat': {'family': 'ip', 'addr': '10.0.0.7', 'port': 8443}}"),
            FIREWALL_FORWARDED, -1);
    becomes(BASE("nat", "nat", "prerouting", "-100", "accept") "," BASE("fw", "filter", "forward",
                                                                        "0", "drop")
                RULE("nat", "5", "{'redirect': {'port': 8443}}"),
            FIREWALL_ACCEPTED, -1);
}

static void test_ipv6_and_interfaces_are_told_apart(void **state)
{
    struct ruleset *ruleset =
        rules(INPUT("drop") RULE("in", "5",
                                 MATCH("{'meta': {'key': 'nfproto'}}", "==", "'ipv6'")
                                     MATCH("{'meta': {'key': 'iifname'}}", "==", "'eth*'") ACCEPT));
    struct firewall_probe six = probe_from("fd99::2", 443), four = probe_from("10.99.0.2", 443);

    expect(ruleset, &six, FIREWALL_ACCEPTED, -1);
    expect(ruleset, &four, FIREWALL_DROPPED, 0);
    strcpy(six.interface, "wlan0");
    expect(ruleset, &six, FIREWALL_DROPPED, 0);
    six.interface[0] = '\0';
    expect(ruleset, &six, FIREWALL_UNKNOWN, 5);
    ruleset_destroy(ruleset);
}

static void saved(const char *name, uint16_t port, enum firewall_verdict verdict, long handle)
{
    scoped(mem_release) char *path = mem_format("%s/%s", folder, name);
    struct firewall_probe probe = probe_from("192.0.2.9", port);
    struct ruleset *ruleset = NULL;
    struct diags diags = {0};

    assert_int_equal(ruleset_read_file(path, &ruleset, &diags), 0);
    expect(ruleset, &probe, verdict, handle);
    ruleset_destroy(ruleset);
}

static void test_rules_of_managers_as_saved(void **state)
{
    saved("iptables.json", 22, FIREWALL_ACCEPTED, -1); /* whatever -m conntrack says */
    saved("iptables.json", 443, FIREWALL_UNKNOWN, 2);  /* -m conntrack is not told in JSON */
    saved("iptables.json", 23, FIREWALL_UNKNOWN, 2);
    saved("firewalld.json", 443, FIREWALL_ACCEPTED, -1);
    saved("firewalld.json", 80, FIREWALL_REJECTED, 72);
    saved("ufw.json", 443, FIREWALL_UNKNOWN, 59);
    saved("docker.json", 443, FIREWALL_ACCEPTED, -1);
    saved("docker.json", 8443, FIREWALL_UNKNOWN, 3); /* nor is where DNAT leads to */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_rules_everything_is_let_in),
        cmocka_unit_test(test_the_first_matching_rule_decides),
        cmocka_unit_test(test_an_accept_does_not_override_a_later_chain),
        cmocka_unit_test(test_among_equal_priorities_the_last_chain_runs_first),
        cmocka_unit_test(test_return_and_the_end_of_goto_lead_to_the_policy),
        cmocka_unit_test(test_a_mark_set_before_is_seen_after),
        cmocka_unit_test(test_what_is_unknown_stays_unknown_and_is_named),
        cmocka_unit_test(test_sets_whose_elements_were_left_out_are_unknown),
        cmocka_unit_test(test_an_unknown_that_changes_nothing_is_no_matter),
        cmocka_unit_test(test_a_maybe_changed_mark_is_unknown_in_its_changed_bits_only),
        cmocka_unit_test(test_a_circle_of_jumps_ends),
        cmocka_unit_test(test_a_header_that_is_not_there_never_matches),
        cmocka_unit_test(test_conntrack_knows_the_packet_from_its_priority_on),
        cmocka_unit_test(test_dnat_leads_to_the_forward_chain),
        cmocka_unit_test(test_ipv6_and_interfaces_are_told_apart),
        cmocka_unit_test(test_rules_of_managers_as_saved),
    };

    folder = argv[1];
    return argc == 2 ? cmocka_run_group_tests(tests, NULL, NULL) : 2;
}
