/* macOS: plans from what gardien opened before, and what its programs say. */
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

#define PROGRAM "/opt/gardien/bin/gardien"

/* A Mac with both firewalls on, where nothing was opened yet. */
static struct firewall_facts machine(void)
{
    struct firewall_facts facts = {.here = true, .privileged = true};

    facts.pf = (struct pf){.there = true,
                           .on = PF_ON,
                           .call = PF_ON,
                           .loaded = mem_string(SPAN("")),
                           .self = mem_string(SPAN(PROGRAM)),
                           .application = {.on = PF_ON}};
    pf_add_program(&facts.pf, SPAN(PROGRAM))->let_in = PF_OFF;
    return facts;
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
    int r = opens ? manager_pf.plan_open(facts, request, &plan, &diags)
                  : manager_pf.plan_close(facts, request, &plan, &diags);

    assert_int_equal(r, 0);
    return plan;
}

static const struct plan_step *step_on(const struct plan *plan, const char *typed)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strstr(plan->items[i].typed, typed))
            return &plan->items[i];
    return NULL;
}

static void keep(char **slot, const char *text)
{
    free(*slot);
    *slot = text ? mem_string(span_str(text)) : NULL;
}

/* The machine as it is after the plan was carried out. */
static void carry_out(struct firewall_facts *facts, const struct plan *plan)
{
    struct pf *pf = &facts->pf;

    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_action *action = &plan->items[i].action;
        const char *typed = plan->items[i].typed;
        if (action->path)
            keep(strcmp(action->path, PF_RULES) == 0 ? &pf->rules : &pf->daemon, action->text);
        if (strstr(typed, "-f " PF_RULES) && !action->path)
            keep(&pf->loaded, pf->rules);
        if (strstr(typed, "-E"))
            pf->token = true;
        if (strstr(typed, "-X"))
            pf->token = false;
        if (strstr(typed, "--unblockapp"))
            pf->programs[0].let_in = PF_ON;
        if (strstr(typed, "--remove"))
            pf->programs[0].let_in = PF_OFF;
    }
}

static void open_port(struct firewall_facts *facts, const char *port)
{
    struct firewall_request request = request_for(port);
    struct plan made = plan(facts, &request, true);

    carry_out(facts, &made);
    plan_finish(&made);
}

/* ---- is it in force? ---- */

static enum presence presence(const struct firewall_facts *facts)
{
    struct detection state;

    manager_pf.detect(facts, &state);
    assert_non_null(state.sentence);
    free(state.sentence);
    return state.presence;
}

static void test_either_firewall_is_enough_to_be_in_force(void **state)
{
    struct firewall_facts facts = {.here = true};

    assert_int_equal(presence(&facts), PRESENCE_ABSENT);
    facts.pf.there = true;
    assert_int_equal(presence(&facts), PRESENCE_UNKNOWN);
    facts.pf.application.on = PF_ON;
    assert_int_equal(presence(&facts), PRESENCE_IN_FORCE);
    facts.pf.application.on = PF_OFF;
    facts.pf.on = PF_OFF;
    assert_int_equal(presence(&facts), PRESENCE_IDLE);
    facts.pf.on = PF_ON;
    assert_int_equal(presence(&facts), PRESENCE_IN_FORCE);
}

/* ---- open ---- */

static void test_the_same_request_twice_has_no_steps(void **state)
{
    struct firewall_facts facts = machine();
    struct firewall_request request = request_for("443");

    open_port(&facts, "443");
    assert_non_null(facts.pf.rules);
    assert_non_null(facts.pf.daemon);
    assert_true(facts.pf.token);
    struct plan again = plan(&facts, &request, true);
    assert_int_equal(again.count, 0);
    plan_finish(&again);
    firewall_facts_finish(&facts);
}

static void test_another_port_keeps_those_that_are_open(void **state)
{
    struct firewall_facts facts = machine();
    struct firewall_request request = request_for("8443");

    open_port(&facts, "443");
    struct plan made = plan(&facts, &request, true);
    const struct plan_step *write = step_on(&made, "tee " PF_RULES);
    const struct plan_step *load = step_on(&made, PF_PFCTL " -q -a");
    assert_int_equal(made.count, 2);
    assert_non_null(strstr(write->action.text, "label \"gardien:443/tcp\""));
    assert_non_null(strstr(write->action.text, "label \"gardien:8443/tcp\""));
    assert_string_equal(write->undo.text, facts.pf.rules);
    assert_true(load->undo_last); /* the file of before has to be back */
    plan_finish(&made);
    firewall_facts_finish(&facts);
}

static void test_lines_of_others_in_the_file_stay(void **state)
{
    struct firewall_facts facts = machine();

    open_port(&facts, "443");
    scoped(mem_release) char *edited =
        mem_format("%s# by hand\npass in quick proto tcp to any port 22\n", facts.pf.rules);
    keep(&facts.pf.rules, edited);
    open_port(&facts, "8443");
    assert_non_null(strstr(facts.pf.rules, "port 22\n"));
    struct firewall_request all = request_for(NULL);
    struct plan made = plan(&facts, &all, false);
    carry_out(&facts, &made);
    plan_finish(&made);
    assert_non_null(strstr(facts.pf.rules, "port 22\n"));
    assert_null(strstr(facts.pf.rules, "\"gardien:"));
    firewall_facts_finish(&facts);
}

static void test_rules_that_pf_lost_are_loaded_again(void **state)
{
    struct firewall_facts facts = machine();
    struct firewall_request request = request_for("443");

    open_port(&facts, "443");
    keep(&facts.pf.loaded, "");
    struct plan made = plan(&facts, &request, true);
    assert_int_equal(made.count, 1);
    assert_string_equal(made.items[0].typed, PF_PFCTL " -q -a " PF_ANCHOR " -f " PF_RULES);
    plan_finish(&made);
    firewall_facts_finish(&facts);
}

static void test_the_application_firewall_gets_this_program_s_real_path(void **state)
{
    struct firewall_facts facts = machine();
    struct firewall_request request = request_for("443");
    struct plan made = plan(&facts, &request, true);

    assert_non_null(step_on(&made, "--add " PROGRAM));
    assert_non_null(step_on(&made, "--unblockapp " PROGRAM));
    plan_finish(&made);
    facts.pf.application.on = PF_OFF;
    made = plan(&facts, &request, true);
    assert_null(step_on(&made, PROGRAM));
    plan_finish(&made);
    firewall_facts_finish(&facts);
}

static void test_a_program_that_was_there_before_is_not_removed(void **state)
{
    struct firewall_facts facts = machine();

    facts.pf.programs[0].blocked = true;
    open_port(&facts, "443");
    struct firewall_request all = request_for(NULL);
    struct plan made = plan(&facts, &all, false);
    assert_null(step_on(&made, "--remove"));
    plan_finish(&made);
    firewall_facts_finish(&facts);
}

static void test_who_listens_is_let_in_and_nobody_else(void **state)
{
    static const char lsof[] = "p12\nf3\nPTCP\nn*:443\nf4\nPTCP\nn[::1]:8080\np345\nf9\nPUDP\n"
                               "n*:443\nf10\nPUDP\nn10.0.0.1:5353->10.0.0.2:8443\np6\nf1\nPTCP\n"
                               "n*:22\n";
    static const char ps[] = "   12 /Applications/My Server.app/Contents/MacOS/server\n"
                             "  345 /usr/local/bin/caddy\n    6 (launchd)\n";
    struct firewall_facts facts = machine();
    struct firewall_request request = request_for("443");

    scoped(mem_release) char *ids = pf_listener_ids(lsof);
    assert_string_equal(ids, "12,345,6");
    pf_read_listeners(lsof, ps, &facts.pf);
    assert_int_equal(facts.pf.program_count, 3); /* and this one */
    struct plan made = plan(&facts, &request, true);
    assert_non_null(step_on(&made, "--add '/Applications/My Server.app/Contents/MacOS/server'"));
    assert_null(step_on(&made, "caddy"));
    assert_null(step_on(&made, "--add " PROGRAM));
    plan_finish(&made);
    request = request_for("443/udp");
    made = plan(&facts, &request, true);
    assert_non_null(step_on(&made, "--add /usr/local/bin/caddy"));
    plan_finish(&made);
    request = request_for("8443/udp"); /* the other end of a connection, where nobody listens */
    made = plan(&facts, &request, true);
    assert_non_null(step_on(&made, "--add " PROGRAM));
    plan_finish(&made);
    assert_null(pf_listener_ids(""));
    firewall_facts_finish(&facts);
}

/* ---- close ---- */

static void test_one_port_of_two_closes_alone_and_the_last_takes_everything(void **state)
{
    struct firewall_facts facts = machine();
    struct firewall_request request = request_for("443");

    open_port(&facts, "443");
    open_port(&facts, "8443");
    struct plan made = plan(&facts, &request, false);
    assert_null(step_on(&made, "-X"));
    carry_out(&facts, &made);
    plan_finish(&made);
    assert_null(strstr(facts.pf.rules, "gardien:443/tcp"));
    assert_non_null(strstr(facts.pf.rules, "gardien:8443/tcp"));
    made = plan(&facts, &request, false); /* it is closed already */
    assert_int_equal(made.count, 0);
    plan_finish(&made);
    request = request_for("8443");
    made = plan(&facts, &request, false);
    assert_non_null(step_on(&made, "-F rules"));
    assert_non_null(step_on(&made, "bootout"));
    assert_non_null(step_on(&made, "--remove " PROGRAM));
    carry_out(&facts, &made);
    plan_finish(&made);
    assert_null(facts.pf.rules);
    assert_null(facts.pf.daemon);
    assert_false(facts.pf.token);
    made = plan(&facts, &request, false);
    assert_int_equal(made.count, 0);
    plan_finish(&made);
    firewall_facts_finish(&facts);
}

/* ---- what programs say ---- */

static void test_what_the_system_s_programs_say_is_read(void **state)
{
    bool blocked;

    assert_int_equal(pf_read_info("Status: Enabled for 0 days 00:01:22  Debug: Urgent\n"), PF_ON);
    assert_int_equal(pf_read_info("No ALTQ support\nStatus: Disabled for 1 days\n"), PF_OFF);
    assert_int_equal(pf_read_info(NULL), PF_UNKNOWN);
    assert_int_equal(pf_read_global("Firewall is enabled. (State = 1)\n"), PF_ON);
    assert_int_equal(pf_read_global("Firewall is disabled. (State = 0)\n"), PF_OFF);
    assert_int_equal(pf_read_global("Must be root\n"), PF_UNKNOWN);
    assert_int_equal(pf_read_block_all("Block all DISABLED! \n", NULL), PF_OFF);
    assert_int_equal(pf_read_block_all("Firewall has block all state set to disabled.\n", NULL),
                     PF_OFF);
    assert_int_equal(pf_read_block_all("Firewall has block all state set to enabled.\n", NULL),
                     PF_ON);
    assert_int_equal(pf_read_block_all(NULL, "(State = 2)"), PF_ON);
    assert_int_equal(pf_read_program("The application is not part of the firewall\n", &blocked),
                     PF_OFF);
    assert_false(blocked);
    assert_int_equal(
        pf_read_program("Incoming connection to the application is permitted\n", &blocked), PF_ON);
    assert_int_equal(
        pf_read_program("Incoming connection to the application is blocked\n", &blocked), PF_OFF);
    assert_true(blocked);
    assert_int_equal(pf_read_conf("scrub-anchor \"com.apple/*\"\nanchor \"com.apple/*\"\n"), PF_ON);
    assert_int_equal(pf_read_conf("#anchor \"com.apple/*\"\n"), PF_OFF);
    assert_int_equal(pf_read_conf(NULL), PF_UNKNOWN);
}

static void test_the_proof_is_the_rule_as_pf_prints_it(void **state)
{
    struct firewall_facts facts = machine();
    struct firewall_request request = request_for("443");
    struct findings findings = {0};

    keep(&facts.pf.loaded,
         "pass in quick inet proto tcp from any to any port = 443 flags S/SA keep "
         "state label \"gardien:443/tcp\"\n");
    assert_int_equal(pf_judge(&facts.pf, &request, &findings), 1);
    assert_int_equal(findings.items[0].grade, FINDING_GOOD);
    assert_int_equal(findings.items[1].grade, FINDING_BAD); /* IPv6 */
    findings_finish(&findings);
    request.from.family = 4;
    assert_int_equal(pf_judge(&facts.pf, &request, &findings), 0);
    findings_finish(&findings);
    keep(&facts.pf.loaded, NULL);
    assert_int_equal(pf_judge(&facts.pf, &request, &findings), 0);
    assert_int_equal(findings_worst(&findings), FINDING_UNKNOWN);
    findings_finish(&findings);
    facts.pf.application.blocks_all = PF_ON;
    assert_int_equal(pf_judge(&facts.pf, &request, &findings), 1);
    findings_finish(&findings);
    firewall_facts_finish(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_either_firewall_is_enough_to_be_in_force),
        cmocka_unit_test(test_the_same_request_twice_has_no_steps),
        cmocka_unit_test(test_another_port_keeps_those_that_are_open),
        cmocka_unit_test(test_lines_of_others_in_the_file_stay),
        cmocka_unit_test(test_rules_that_pf_lost_are_loaded_again),
        cmocka_unit_test(test_the_application_firewall_gets_this_program_s_real_path),
        cmocka_unit_test(test_a_program_that_was_there_before_is_not_removed),
        cmocka_unit_test(test_who_listens_is_let_in_and_nobody_else),
        cmocka_unit_test(test_one_port_of_two_closes_alone_and_the_last_takes_everything),
        cmocka_unit_test(test_what_the_system_s_programs_say_is_read),
        cmocka_unit_test(test_the_proof_is_the_rule_as_pf_prints_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
