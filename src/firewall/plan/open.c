/* One plan from all managers in force, or for another machine. */
#include "firewall/plan/open.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static size_t count_managers(void)
{
    size_t count = 0;

    while (managers[count])
        count++;
    return count;
}

/* ---- the plans ---- */

static void detect_all(const struct firewall_facts *facts, struct opening_plan *plan)
{
    plan->states = mem_resize(NULL, count_managers() + 1, sizeof *plan->states);
    for (size_t i = 0; managers[i]; i++) {
        plan->states[i] = (struct detection){.presence = PRESENCE_ABSENT};
        managers[i]->detect(facts, &plan->states[i]);
    }
}

static bool is_in_force(const struct opening_plan *plan, const char *name)
{
    for (size_t i = 0; managers[i]; i++)
        if (strcmp(managers[i]->name, name) == 0)
            return plan->states[i].presence == PRESENCE_IN_FORCE;
    return false;
}

static void note_unknown(struct opening_plan *plan, size_t at)
{
    struct finding *note =
        findings_add(&plan->plan.notes, FINDING_UNKNOWN, "rights", "%s", plan->states[at].sentence);

    finding_subject(note, "%s", managers[at]->name);
    finding_hint(note, "run it with sudo, which shows the steps before it asks");
}

/* An empty plan from rules that nobody could read says nothing about the port. */
static void note_unseen(struct opening_plan *plan)
{
    if (!plan->unseen || plan->plan.count > 0 ||
        findings_worst(&plan->plan.notes) >= FINDING_UNKNOWN)
        return;
    finding_hint(findings_add(&plan->plan.notes, FINDING_UNKNOWN, "rights",
                              "the firewall's rules are shown to root only"),
                 "run it with sudo, which shows the steps before it asks");
}

static bool any_in_force(const struct opening_plan *plan)
{
    for (size_t i = 0; managers[i]; i++)
        if (plan->states[i].presence == PRESENCE_IN_FORCE)
            return true;
    return false;
}

/* The managers of Linux are all that there are. Where pf or the Windows Firewall is not even there,
 * the system is another one than this program was built for. */
static void note_none(struct opening_plan *plan)
{
    bool idle = managers_are_of("linux");

    for (size_t i = 0; managers[i]; i++)
        idle = idle || plan->states[i].presence == PRESENCE_IDLE;
    if (idle)
        findings_add(&plan->plan.notes, FINDING_NOTE, "firewall",
                     "no firewall is in force on this machine: nothing closes a port here");
    else
        findings_add(&plan->plan.notes, FINDING_UNKNOWN, "firewall",
                     "no firewall that this gardien knows is on this machine");
    plan->unseen = !idle;
}

int open_plan(const struct firewall_facts *facts, const struct firewall_request *request,
              struct diags *diags, struct opening_plan *ret_plan)
{
    int r = 0;

    *ret_plan = (struct opening_plan){0};
    detect_all(facts, ret_plan);
    if (request->zone && !is_in_force(ret_plan, "firewalld")) {
        diag_hint(diags_add(diags, "--zone is for firewalld, which is not in force here"),
                  "leave it out; --interface and --from narrow who may come");
        return ERR_SETTINGS;
    }
    for (size_t i = 0; r >= 0 && managers[i]; i++) {
        if (ret_plan->states[i].presence == PRESENCE_IN_FORCE)
            r = managers[i]->plan_open(facts, request, &ret_plan->plan, diags);
        else if (ret_plan->states[i].presence == PRESENCE_UNKNOWN)
            note_unknown(ret_plan, i);
    }
    if (facts->files_of_others && ret_plan->plan.count)
        findings_add(&ret_plan->plan.notes, FINDING_WARNING, "namespace",
                     "this is another network namespace than that of process 1, whose files are "
                     "left as they are: the rules last until the next restart");
    ret_plan->changed_by_root = !facts->privileged;
    ret_plan->unseen = facts->unseen;
    note_unseen(ret_plan);
    if (r >= 0 && !facts->unseen && !any_in_force(ret_plan))
        note_none(ret_plan);
    return r;
}

int close_plan(const struct firewall_facts *facts, const struct firewall_request *request,
               struct diags *diags, struct opening_plan *ret_plan)
{
    int r = 0;

    *ret_plan = (struct opening_plan){0};
    detect_all(facts, ret_plan);
    for (size_t i = 0; r >= 0 && managers[i]; i++) {
        r = managers[i]->plan_close(facts, request, &ret_plan->plan, diags);
        if (ret_plan->states[i].presence == PRESENCE_UNKNOWN)
            note_unknown(ret_plan, i);
    }
    ret_plan->changed_by_root = !facts->privileged;
    ret_plan->unseen = facts->unseen;
    note_unseen(ret_plan);
    return r;
}

/* ---- another machine ---- */

/* A Linux machine whose firewall lets in nothing that it is not told to: what most guides and
 * providers set up. */
static void imagine(struct firewall_facts *facts)
{
    static const char ruleset[] =
        "[{\"table\":{\"family\":\"inet\",\"name\":\"filter\",\"handle\":1}},"
        "{\"chain\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"input\",\"handle\":1,"
        "\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"drop\"}}]";
    static const char filter[] = "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n";
    json_error_t error;

    *facts = (struct firewall_facts){.privileged = true,
                                     .root = mem_string(SPAN("")),
                                     .has_nft = true,
                                     .has_iptables = true,
                                     .has_iptables_legacy = true,
                                     .has_persistent = true,
                                     .persistent_unit = true};
    facts->ruleset = json_loads(ruleset, 0, &error);
    for (size_t flavour = 0; flavour < IPTABLES_FLAVOURS; flavour++)
        for (size_t family = 0; family < 2; family++)
            facts->xt[flavour][family].filter = mem_string(span_str(filter));
}

static void note_elsewhere(const struct manager *manager, struct plan *plan)
{
    if (strcmp(manager->system, "linux") == 0)
        finding_hint(findings_add(&plan->notes, FINDING_NOTE, "machine",
                                  "this is for a machine whose chains are the usual ones and drop "
                                  "what they are not told to let in; yours may differ"),
                     "run `gardien open --dry-run` there, which looks");
}

int elsewhere_plan(const struct manager *manager, bool opens,
                   const struct firewall_request *request, struct diags *diags,
                   struct opening_plan *ret_plan)
{
    struct firewall_facts facts;

    *ret_plan = (struct opening_plan){0};
    imagine(&facts);
    int r;
    if (opens || strcmp(manager->system, "linux") != 0) {
        r = opens ? manager->plan_open(&facts, request, &ret_plan->plan, diags)
                  : manager->plan_close(&facts, request, &ret_plan->plan, diags);
    } else { /* it is not known what is there: what `open` would have done is taken back */
        struct firewall_request opened = *request;
        opened.ports = request->ports.count ? request->ports : ports_default();
        r = manager->plan_open(&facts, &opened, &ret_plan->plan, diags);
        plan_reverse(&ret_plan->plan);
    }
    note_elsewhere(manager, &ret_plan->plan);
    firewall_facts_finish(&facts);
    return r;
}

void opening_plan_finish(struct opening_plan *plan)
{
    for (size_t i = 0; plan->states && managers[i]; i++)
        free(plan->states[i].sentence);
    free(plan->states);
    plan_finish(&plan->plan);
    *plan = (struct opening_plan){0};
}

json_t *opening_managers_json(const struct opening_plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; plan->states && managers[i]; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s*}", "manager", managers[i]->name,
                                              "presence", presence_name(plan->states[i].presence),
                                              "sentence", plan->states[i].sentence));
    return list;
}
