/* ufw's own list of rules, and what is planned from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/firewall.h"
#include "firewall/linux/ufw_rules.h"

#define TUPLE "### tuple ### "
#define V4 " 0.0.0.0/0 any 0.0.0.0/0 in"
#define V6 " ::/0 any ::/0 in"
#define TAG_443 " comment=6761726469656e3a3434332f746370"

static const struct port https = {443, PORT_TCP}, quic = {443, PORT_UDP};

/* A machine whose files are in a folder of its own. */
struct machine {
    char folder[64];
    struct firewall_facts facts;
    struct firewall_request request;
    struct plan plan;
    struct diags diags;
};

static void put_file(const struct machine *machine, const char *path, const char *text)
{
    scoped(mem_release) char *full = mem_format("%s/%s", machine->folder, path);
    FILE *file = fopen(full, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void set_up(struct machine *machine, const char *v4, const char *v6)
{
    static const char *const folders[] = {"/etc", "/etc/ufw", "/etc/default"};

    *machine = (struct machine){.folder = "/tmp/gardien-ufw-XXXXXX"};
    assert_non_null(mkdtemp(machine->folder));
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        scoped(mem_release) char *path = mem_format("%s%s", machine->folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    put_file(machine, "etc/ufw/user.rules", v4);
    put_file(machine, "etc/ufw/user6.rules", v6);
    put_file(machine, "etc/default/ufw", "IPV6=yes\n");
    machine->facts = (struct firewall_facts){.here = true,
                                             .privileged = true,
                                             .root = machine->folder,
                                             .has_ufw = true,
                                             .ufw_enabled = true};
    machine->request.ports.items[machine->request.ports.count++] = https;
}

static void tear_down(struct machine *machine)
{
    static const char *const paths[] = {"/etc/ufw/user.rules",
                                        "/etc/ufw/user6.rules",
                                        "/etc/default/ufw",
                                        "/etc/default",
                                        "/etc/ufw",
                                        "/etc",
                                        ""};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        scoped(mem_release) char *path = mem_format("%s%s", machine->folder, paths[i]);
        assert_int_equal(remove(path), 0);
    }
    plan_finish(&machine->plan);
    diags_finish(&machine->diags);
}

static int plan_for(struct machine *machine, bool open)
{
    const struct manager *ufw = manager_find("ufw");

    return (open ? ufw->plan_open : ufw->plan_close)(&machine->facts, &machine->request,
                                                     &machine->plan, &machine->diags);
}

static void expect_steps(struct machine *machine, bool open, const char *const *typed)
{
    size_t count = 0;

    assert_int_equal(plan_for(machine, open), 0);
    while (typed[count])
        count++;
    assert_int_equal(machine->plan.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(machine->plan.items[i].typed, typed[i]);
}

#define EXPECT(machine, open, ...)                                                                 \
    expect_steps(machine, open, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_tuples_are_read_with_their_parts(void **state)
{
    struct ufw_rules rules = {0};
    const char text[] =
        "*filter\n" TUPLE "allow tcp 443" V4 TAG_443 "\n" TUPLE
        "deny_log-all any 8000:8100 0.0.0.0/0 any 192.0.2.0/24 in_eth0\n" TUPLE
        "allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20HTTPS - in\n" TUPLE "route:allow tcp 443" V4
        "\n" TUPLE "allow tcp 1 0.0.0.0/0 any 0.0.0.0/0 out\n" TUPLE "allow\n";

    (void)state;
    ufw_rules_parse(span_str(text), 4, &rules);
    assert_int_equal(rules.count, 4);
    assert_true(rules.items[3].route);
    assert_false(ufw_rule_covers(&rules.items[3], (struct port){443, PORT_TCP}));
    assert_string_equal(rules.items[0].comment, "gardien:443/tcp");
    assert_true(ufw_rule_for_all(&rules.items[0]));
    assert_string_equal(rules.items[1].action, "deny");
    assert_string_equal(rules.items[1].log, "log-all");
    assert_string_equal(rules.items[1].interface, "eth0");
    assert_true(ufw_rule_covers(&rules.items[1], (struct port){8080, PORT_UDP}));
    assert_false(ufw_rule_is_for(&rules.items[1], (struct port){8000, PORT_TCP}));
    assert_string_equal(rules.items[2].application, "Nginx HTTPS");
    assert_false(ufw_rule_covers(&rules.items[2], quic));
    ufw_rules_finish(&rules);
}

static void test_open_adds_one_rule_for_both_ip_versions(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, "", "");
    EXPECT(&machine, true, "ufw allow 443/tcp comment gardien:443/tcp");
    assert_string_equal(machine.plan.items[0].untyped, "ufw delete allow 443/tcp");
    tear_down(&machine);
}

static void test_open_needs_both_ip_versions_to_be_open(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, TUPLE "allow tcp 80,443" V4 "\n", TUPLE "limit any 443" V6 "\n");
    EXPECT(&machine, true);
    tear_down(&machine);
    /* A command for both would put our comment on the rule that is there. */
    set_up(&machine, TUPLE "allow tcp 443" V4 "\n", "");
    EXPECT(&machine, true, "ufw allow from any to ::/0 port 443 proto tcp comment gardien:443/tcp");
    assert_string_equal(machine.plan.items[0].untyped,
                        "ufw delete allow from any to ::/0 port 443 proto tcp");
    tear_down(&machine);
}

static void test_open_for_a_network_and_an_interface(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, "", "");
    assert_int_equal(network_parse("192.0.2.0/24", &machine.diags, &machine.request.from), 0);
    machine.request.interface = "eth0";
    EXPECT(&machine, true,
           "ufw allow in on eth0 from 192.0.2.0/24 to any port 443 proto tcp comment "
           "gardien:443/tcp");
    tear_down(&machine);
}

static void test_a_wider_refusal_is_preceded_and_a_ban_stays_one(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, TUPLE "deny any 443" V4 "\n", "");
    EXPECT(&machine, true, "ufw prepend allow 443/tcp comment gardien:443/tcp");
    tear_down(&machine);
    set_up(&machine, TUPLE "deny any any 0.0.0.0/0 any 192.0.2.9 in\n", "");
    EXPECT(&machine, true, "ufw allow 443/tcp comment gardien:443/tcp");
    tear_down(&machine);
}

static void test_a_rule_that_ufw_would_turn_round_is_refused(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, TUPLE "deny tcp 443" V4 "\n", TUPLE "deny tcp 443" V6 "\n");
    assert_int_equal(plan_for(&machine, true), ERR_SETTINGS);
    assert_int_equal(machine.plan.count, 0);
    assert_non_null(strstr(machine.diags.items[0].hint, "ufw delete deny 443/tcp"));
    tear_down(&machine);
}

static void test_close_takes_back_only_what_is_tagged(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, TUPLE "allow any 443" V4 "\n" TUPLE "allow tcp 443" V4 TAG_443 "\n",
           TUPLE "allow tcp 443" V6 TAG_443 "\n");
    EXPECT(&machine, false, "ufw delete allow 443/tcp");
    assert_string_equal(machine.plan.items[0].untyped, "ufw allow 443/tcp comment gardien:443/tcp");
    tear_down(&machine);
}

static void test_close_leaves_the_same_rule_of_the_other_ip_version(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, TUPLE "allow tcp 443" V4 "\n", TUPLE "allow tcp 443" V6 TAG_443 "\n");
    EXPECT(&machine, false, "ufw delete allow from any to ::/0 port 443 proto tcp");
    tear_down(&machine);
}

static void test_close_without_ports_takes_back_all_that_is_tagged(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, TUPLE "allow tcp 443" V4 TAG_443 "\n" TUPLE "allow tcp 80" V4 "\n", "");
    machine.request.ports.count = 0;
    EXPECT(&machine, false, "ufw delete allow 443/tcp");
    tear_down(&machine);
}

static void test_close_by_force_takes_others_rules_too_and_says_so(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine,
           TUPLE "allow any 443" V4 "\n" TUPLE "allow tcp 80,443" V4 "\n" TUPLE
                 "allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20HTTPS - in\n",
           "");
    machine.request.force = true;
    EXPECT(&machine, false, "ufw delete allow 443",
           "ufw delete allow from any to any app 'Nginx HTTPS'");
    assert_int_equal(machine.plan.notes.count, 2);
    tear_down(&machine);
}

static void test_ufw_is_in_force_only_with_its_chain_in_the_kernel(void **state)
{
    struct firewall_facts facts = {.privileged = true, .has_ufw = true, .ufw_enabled = true};
    struct iptables_tables *legacy = &facts.xt[IPTABLES_LEGACY][0];
    struct detection found;

    manager_find("ufw")->detect(&facts, &found);
    assert_int_equal(found.presence, PRESENCE_IDLE);
    free(found.sentence);
    legacy->filter = mem_format("-P INPUT DROP\n-N ufw-user-input\n");
    manager_find("ufw")->detect(&facts, &found);
    assert_int_equal(found.presence, PRESENCE_IN_FORCE);
    free(found.sentence);
    facts.ufw_enabled = false;
    manager_find("ufw")->detect(&facts, &found);
    assert_int_equal(found.presence, PRESENCE_IDLE);
    free(found.sentence);
    free(legacy->filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tuples_are_read_with_their_parts),
        cmocka_unit_test(test_open_adds_one_rule_for_both_ip_versions),
        cmocka_unit_test(test_open_needs_both_ip_versions_to_be_open),
        cmocka_unit_test(test_open_for_a_network_and_an_interface),
        cmocka_unit_test(test_a_wider_refusal_is_preceded_and_a_ban_stays_one),
        cmocka_unit_test(test_a_rule_that_ufw_would_turn_round_is_refused),
        cmocka_unit_test(test_close_takes_back_only_what_is_tagged),
        cmocka_unit_test(test_close_leaves_the_same_rule_of_the_other_ip_version),
        cmocka_unit_test(test_close_without_ports_takes_back_all_that_is_tagged),
        cmocka_unit_test(test_close_by_force_takes_others_rules_too_and_says_so),
        cmocka_unit_test(test_ufw_is_in_force_only_with_its_chain_in_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
