/* What is planned for a firewalld that says this and that of its zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "firewall/firewall.h"

#define NONE "{'services': ['ssh'], 'ports': [], 'rules_str': [], 'target': 'default'}"
#define PERMANENT "firewall-cmd --permanent --zone="
#define RUNTIME "firewall-cmd --zone="

struct machine {
    struct firewall_facts facts;
    struct firewall_request request;
    struct plan plan;
    struct diags diags;
};

static json_t *read_json(const char *text)
{
    char copy[4096];

    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    json_t *json = json_loads(copy, 0, NULL);
    assert_non_null(json);
    return json;
}

/* Zones public (the default) and home, which eth1 is in. */
static void set_up(struct machine *machine, const char *permanent, const char *runtime)
{
    char text[4096];

    snprintf(text, sizeof text,
             "{'default': 'public', 'services': ['http', 'https'], 'uplinks': ['eth0'], 'zones': "
             "{'public': {'path': '/zone/6', 'interfaces': ['eth0'], 'permanent': %s, 'runtime': "
             "%s}, 'home': {'path': '/zone/3', 'interfaces': ['eth1'], 'permanent': " NONE
             ", 'runtime': " NONE "}}}",
             permanent, runtime);
    *machine = (struct machine){.facts = {.here = true,
                                          .privileged = true,
                                          .firewalld_on_bus = true,
                                          .firewalld = read_json(text)}};
    machine->request.ports.items[0] = (struct port){443, PORT_TCP};
    machine->request.ports.count = 1;
}

static void tear_down(struct machine *machine)
{
    json_decref(machine->facts.firewalld);
    json_decref(machine->facts.done);
    plan_finish(&machine->plan);
    diags_finish(&machine->diags);
}

static int plan_for(struct machine *machine, bool open)
{
    const struct manager *firewalld = manager_find("firewalld");

    return (open ? firewalld->plan_open : firewalld->plan_close)(&machine->facts, &machine->request,
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

static void test_open_adds_the_service_for_good_and_now(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, NONE, NONE);
    EXPECT(&machine, true, PERMANENT "public --add-service=https",
           RUNTIME "public --add-service=https");
    const struct plan_step *first = &machine.plan.items[0];
    assert_string_equal(first->action.dbus.path, "/zone/6");
    assert_string_equal(first->action.dbus.method, "addService");
    assert_string_equal(first->action.dbus.types, "s");
    assert_string_equal(machine.plan.items[1].action.dbus.types, "ssi");
    assert_string_equal(first->undo.dbus.method, "removeService");
    assert_string_equal(first->record.detail,
                        "public permanent service https\npublic runtime service https\n");
    assert_int_equal(machine.plan.items[1].record.what, PLAN_RECORD_NONE);
    tear_down(&machine);
}

static void test_open_adds_only_what_is_missing(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, NONE, "{'services': ['https']}");
    EXPECT(&machine, true, PERMANENT "public --add-service=https");
    tear_down(&machine);
    set_up(&machine, "{'services': [], 'ports': [['400-500', 'tcp']]}", "{'target': 'ACCEPT'}");
    EXPECT(&machine, true);
    tear_down(&machine);
}

static void test_a_port_without_service_is_a_port(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, NONE, NONE);
    machine.request.ports.items[0].protocol = PORT_UDP; /* this firewalld has no http3 */
    EXPECT(&machine, true, PERMANENT "public --add-port=443/udp",
           RUNTIME "public --add-port=443/udp");
    assert_string_equal(machine.plan.items[1].action.dbus.types, "sssi");
    assert_string_equal(machine.plan.items[1].action.dbus.args[2], "udp");
    tear_down(&machine);
}

static void test_the_zone_is_the_one_of_the_interface(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, NONE, NONE);
    machine.request.interface = "eth1";
    EXPECT(&machine, true, PERMANENT "home --add-service=https",
           RUNTIME "home --add-service=https");
    assert_int_equal(machine.plan.notes.count, 1);
    tear_down(&machine);
}

static void test_a_zone_that_is_not_there_is_a_mistake(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, NONE, NONE);
    machine.request.zone = "pubic";
    assert_int_equal(plan_for(&machine, true), ERR_SETTINGS);
    assert_non_null(strstr(machine.diags.items[0].hint, "--get-zones"));
    tear_down(&machine);
}

static void test_a_network_becomes_a_rich_rule(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, NONE, NONE);
    assert_int_equal(network_parse("2001:db8::/32", &machine.diags, &machine.request.from), 0);
    EXPECT(&machine, true,
           PERMANENT
           "public --add-rich-rule='rule family=\"ipv6\" source address=\"2001:db8::/32\" "
           "port port=\"443\" protocol=\"tcp\" accept'",
           RUNTIME "public --add-rich-rule='rule family=\"ipv6\" source address=\"2001:db8::/32\" "
                   "port port=\"443\" protocol=\"tcp\" accept'");
    tear_down(&machine);
}

static void test_close_takes_back_what_is_recorded_and_still_there(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, "{'services': ['https']}", NONE);
    machine.facts.done =
        read_json("[{'manager': 'firewalld', 'port': '443/tcp', 'detail': 'public "
                  "permanent service https\\npublic runtime service https\\nbroken "
                  "line\\n'}]");
    EXPECT(&machine, false, PERMANENT "public --remove-service=https");
    assert_int_equal(machine.plan.items[0].record.what, PLAN_RECORD_CLOSED);
    tear_down(&machine);
    set_up(&machine, "{'services': ['https']}", "{'services': ['https']}");
    EXPECT(&machine, false); /* not ours */
    tear_down(&machine);
}

static void test_close_without_ports_takes_back_all_that_is_recorded(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, "{'services': ['https']}", NONE);
    machine.facts.done =
        read_json("[{'manager': 'firewalld', 'port': '443/tcp', 'detail': 'public permanent "
                  "service https\\n'}, {'manager': 'other', 'port': '80/tcp'}]");
    machine.request.ports.count = 0;
    EXPECT(&machine, false, PERMANENT "public --remove-service=https");
    tear_down(&machine);
}

static void test_close_by_force_takes_what_others_added(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, "{'services': ['https'], 'ports': [['443', 'tcp'], ['400-500', 'tcp']]}",
           NONE);
    machine.request.force = true;
    EXPECT(&machine, false, PERMANENT "public --remove-service=https",
           PERMANENT "public --remove-port=443/tcp");
    assert_int_equal(machine.plan.notes.count, 2);
    tear_down(&machine);
}

static void test_without_rights_the_plan_is_shown_all_the_same(void **state)
{
    struct machine machine;

    (void)state;
    set_up(&machine, NONE, NONE);
    machine.facts.privileged = false;
    json_decref(machine.facts.firewalld);
    machine.facts.firewalld = read_json("{'default': 'public', 'uplinks': [], 'zones': {}}");
    EXPECT(&machine, true, PERMANENT "public --add-port=443/tcp",
           RUNTIME "public --add-port=443/tcp");
    assert_non_null(findings_first(&machine.plan.notes, FINDING_UNKNOWN));
    tear_down(&machine);
}

static enum presence presence_of(const struct firewall_facts *facts)
{
    struct detection state;

    manager_find("firewalld")->detect(facts, &state);
    free(state.sentence);
    return state.presence;
}

static void test_it_is_in_force_only_where_its_rules_are(void **state)
{
    struct firewall_facts facts = {.here = true, .privileged = true, .firewalld_on_bus = true};
    struct iptables_tables *legacy = &facts.xt[IPTABLES_LEGACY][0];

    (void)state;
    assert_int_equal(presence_of(&facts), PRESENCE_IDLE); /* the bus is another network's */
    facts.ruleset = read_json("[{'table': {'family': 'inet', 'name': 'firewalld'}}]");
    assert_int_equal(presence_of(&facts), PRESENCE_IN_FORCE);
    json_decref(facts.ruleset);
    facts.ruleset = NULL;
    legacy->filter = (char[]){"-P INPUT ACCEPT\n-N INPUT_ZONES\n-A INPUT -j REJECT\n"};
    assert_int_equal(presence_of(&facts), PRESENCE_IN_FORCE);
    legacy->filter = (char[]){"-P INPUT ACCEPT\n-N INPUT_POLICIES\n-A INPUT -j REJECT\n"};
    assert_int_equal(presence_of(&facts), PRESENCE_IN_FORCE);
    legacy->filter = NULL;
    facts.privileged = false;
    assert_int_equal(presence_of(&facts), PRESENCE_IN_FORCE);
}

static void test_a_plan_for_another_machine_needs_no_bus(void **state)
{
    struct machine machine = {.request.ports = {{{443, PORT_UDP}}, 1}};

    (void)state;
    EXPECT(&machine, true, PERMANENT "public --add-service=http3",
           RUNTIME "public --add-service=http3");
    tear_down(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_adds_the_service_for_good_and_now),
        cmocka_unit_test(test_open_adds_only_what_is_missing),
        cmocka_unit_test(test_a_port_without_service_is_a_port),
        cmocka_unit_test(test_the_zone_is_the_one_of_the_interface),
        cmocka_unit_test(test_a_zone_that_is_not_there_is_a_mistake),
        cmocka_unit_test(test_a_network_becomes_a_rich_rule),
        cmocka_unit_test(test_close_takes_back_what_is_recorded_and_still_there),
        cmocka_unit_test(test_close_without_ports_takes_back_all_that_is_recorded),
        cmocka_unit_test(test_close_by_force_takes_what_others_added),
        cmocka_unit_test(test_without_rights_the_plan_is_shown_all_the_same),
        cmocka_unit_test(test_it_is_in_force_only_where_its_rules_are),
        cmocka_unit_test(test_a_plan_for_another_machine_needs_no_bus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
