/* Plans for other machines: Windows, macOS, and Linux as it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "firewall/firewall.h"

static struct firewall_request request_for(const char *port)
{
    struct firewall_request request = {0};
    struct diags diags = {0};

    assert_int_equal(ports_parse(&port, 1, &diags, &request.ports), 0);
    return request;
}

static struct opening_plan plan_on(const char *name, bool opens,
                                   const struct firewall_request *request)
{
    struct opening_plan plan;
    struct diags diags = {0};
    const struct manager *manager = manager_find(name);

    assert_non_null(manager);
    assert_int_equal(elsewhere_plan(manager, opens, request, &diags, &plan), 0);
    assert_int_equal(diags.errors, 0);
    return plan;
}

/* Does some step's command hold this text? */
static bool types(const struct opening_plan *plan, const char *text)
{
    for (size_t i = 0; i < plan->plan.count; i++)
        if (plan->plan.items[i].typed && strstr(plan->plan.items[i].typed, text))
            return true;
    return false;
}

static bool notes(const struct opening_plan *plan, const char *text)
{
    for (size_t i = 0; i < plan->plan.notes.count; i++)
        if (strstr(plan->plan.notes.items[i].sentence, text))
            return true;
    return false;
}

static void test_windows_gets_a_rule_in_and_one_out_looked_for_first(void **state)
{
    struct firewall_request request = request_for("443/tcp");
    struct opening_plan plan = plan_on("windows", true, &request);

    assert_int_equal(plan.plan.count, 2);
    assert_true(types(&plan,
                      "in a command prompt (cmd.exe):\nnetsh advfirewall firewall "
                      "show rule name=\"gardien 443/tcp\" >nul || netsh advfirewall firewall "
                      "add rule name=\"gardien 443/tcp\" dir=in action=allow protocol=TCP "
                      "localport=443 profile=domain,private"));
    assert_true(types(&plan, "dir=out"));
    assert_true(types(&plan,
                      "New-NetFirewallRule -DisplayName 'gardien 443/tcp' -Direction Inbound "
                      "-Action Allow -Protocol TCP -LocalPort 443 -Profile domain,private"));
    assert_true(notes(&plan, "a rule that blocks outweighs every rule that allows"));
    assert_true(notes(&plan, "profile public"));
    const struct policy_order *order = &plan.plan.items[0].action.policy;
    assert_int_equal(plan.plan.items[0].action.kind, PLAN_SYSTEM);
    assert_int_equal(order->verb, POLICY_ADD);
    assert_string_equal(order->rule.name, "gardien 443/tcp");
    assert_string_equal(order->rule.ports, "443");
    assert_int_equal(order->rule.protocol, POLICY_TCP);
    assert_int_equal(order->rule.profiles, POLICY_DOMAIN | POLICY_PRIVATE);
    assert_true(order->rule.enabled && !order->rule.out && !order->rule.block);
    assert_int_equal(plan.plan.items[0].undo.policy.verb, POLICY_REMOVE);
    opening_plan_finish(&plan);
}

static void test_windows_profile_public_is_warned_of_and_a_wrong_one_refused(void **state)
{
    struct firewall_request request = request_for("8443/udp");
    struct diags diags = {0};

    request.profile = "Public, domain";
    struct opening_plan plan = plan_on("windows", true, &request);
    assert_true(types(&plan, "protocol=UDP localport=8443 profile=domain,public"));
    assert_int_equal(findings_worst(&plan.plan.notes), FINDING_WARNING);
    opening_plan_finish(&plan);
    request.profile = "home";
    assert_int_equal(elsewhere_plan(&manager_windows, true, &request, &diags, &plan), ERR_SETTINGS);
    assert_non_null(strstr(diags.items[0].hint, "domain,private,public"));
    opening_plan_finish(&plan);
    diags_finish(&diags);
}

static void test_windows_knows_networks_but_no_interfaces(void **state)
{
    struct firewall_request request = request_for("443/tcp");
    struct diags diags = {0};
    struct opening_plan plan;

    assert_int_equal(network_parse("192.0.2.0/24", &diags, &request.from), 0);
    plan = plan_on("windows", true, &request);
    assert_true(types(&plan, "localport=443 remoteip=192.0.2.0/24"));
    assert_true(types(&plan, "-RemoteAddress 192.0.2.0/24"));
    opening_plan_finish(&plan);
    request.interface = "eth0";
    assert_int_equal(elsewhere_plan(&manager_windows, true, &request, &diags, &plan), ERR_SETTINGS);
    opening_plan_finish(&plan);
    diags_finish(&diags);
}

static void test_macos_keeps_pf_conf_and_the_token(void **state)
{
    struct firewall_request request = request_for("443/tcp");
    struct opening_plan plan = plan_on("macos", true, &request);

    assert_true(types(&plan,
                      "pass in quick inet proto tcp from any to any port 443 flags S/SA keep "
                      "state label \"gardien:443/tcp\""));
    assert_true(types(&plan, "pass in quick inet6 proto tcp"));
    assert_true(types(&plan, "-a com.apple/gardien -f /etc/pf.anchors/gardien"));
    assert_true(types(&plan, "/sbin/pfctl -E"));
    assert_true(types(&plan, "socketfilterfw --unblockapp"));
    assert_false(types(&plan, "pfctl -d"));
    for (size_t i = 0; i < plan.plan.count; i++)
        if (plan.plan.items[i].action.path)
            assert_string_not_equal(plan.plan.items[i].action.path, "/etc/pf.conf");
    opening_plan_finish(&plan);
    plan = plan_on("macos", false, &request);
    assert_true(types(&plan, "sed -i '' '/label \"gardien:443\\/tcp\"/d' /etc/pf.anchors/gardien"));
    assert_false(types(&plan, "pfctl -X"));
    opening_plan_finish(&plan);
    request.ports.count = 0;
    plan = plan_on("macos", false, &request);
    assert_true(types(&plan, "pfctl -q -a com.apple/gardien -F rules"));
    assert_true(types(&plan, "pfctl -X \"$(cat /var/db/gardien.pf-token)\""));
    opening_plan_finish(&plan);
}

static void test_each_linux_manager_has_a_plan_and_its_way_back(void **state)
{
    static const struct {
        const char *name, *open, *close;
    } cases[] = {
        {"linux-nftables", "tcp dport 443 accept comment \"gardien:443/tcp\"",
         "rm -f /etc/nftables.d/gardien.nft"},
        {"linux-iptables", "ip6tables-nft -w 5 -A INPUT", "ip6tables-nft -w 5 -D INPUT"},
        {"linux-iptables-legacy", "iptables-legacy -w 5 -A INPUT", "iptables-legacy -w 5 -D INPUT"},
        {"linux-ufw", "ufw allow 443/tcp comment gardien:443/tcp", "ufw delete allow 443/tcp"},
        {"linux-firewalld", "firewall-cmd --permanent --zone=public --add-service=https",
         "firewall-cmd --permanent --zone=public --remove-service=https"},
    };
    struct firewall_request request = request_for("443/tcp");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct opening_plan plan = plan_on(cases[i].name, true, &request);
        if (!types(&plan, cases[i].open))
            fail_msg("%s: no \"%s\"", cases[i].name, cases[i].open);
        opening_plan_finish(&plan);
        plan = plan_on(cases[i].name, false, &request);
        if (!types(&plan, cases[i].close))
            fail_msg("%s: no \"%s\"", cases[i].name, cases[i].close);
        opening_plan_finish(&plan);
    }
}

static void test_what_saves_the_rules_runs_last_in_both_directions(void **state)
{
    struct firewall_request request = request_for("443/tcp");
    struct opening_plan plan = plan_on("linux-iptables", true, &request);

    assert_string_equal(plan.plan.items[plan.plan.count - 1].typed, "netfilter-persistent save");
    opening_plan_finish(&plan);
    plan = plan_on("linux-iptables", false, &request);
    assert_string_equal(plan.plan.items[plan.plan.count - 1].typed, "netfilter-persistent save");
    opening_plan_finish(&plan);
}

static void test_an_unknown_system_is_none(void **state)
{
    assert_null(manager_find("amiga"));
    assert_null(manager_find("linux-"));
    assert_ptr_equal(manager_find("iptables"), &manager_iptables_nft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_gets_a_rule_in_and_one_out_looked_for_first),
        cmocka_unit_test(test_windows_profile_public_is_warned_of_and_a_wrong_one_refused),
        cmocka_unit_test(test_windows_knows_networks_but_no_interfaces),
        cmocka_unit_test(test_macos_keeps_pf_conf_and_the_token),
        cmocka_unit_test(test_each_linux_manager_has_a_plan_and_its_way_back),
        cmocka_unit_test(test_what_saves_the_rules_runs_last_in_both_directions),
        cmocka_unit_test(test_an_unknown_system_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
