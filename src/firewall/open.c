/* One plan from all managers in force, and the proof of it by probes. */
#include "firewall/open.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/apply.h"
#include "firewall/done.h"
#include "firewall/why.h"

static size_t count_managers(void)
{
    size_t count = 0;

    while (managers[count])
        count++;
    return count;
}

/* ---- the plans ---- */

static void detect_all(const struct look *look, struct opening_plan *plan)
{
    plan->sights = mem_resize(NULL, count_managers() + 1, sizeof *plan->sights);
    for (size_t i = 0; managers[i]; i++) {
        plan->sights[i] = (struct sight){.presence = PRESENCE_ABSENT};
        managers[i]->detect(look, &plan->sights[i]);
    }
}

static bool is_in_force(const struct opening_plan *plan, const char *name)
{
    for (size_t i = 0; managers[i]; i++)
        if (strcmp(managers[i]->name, name) == 0)
            return plan->sights[i].presence == PRESENCE_IN_FORCE;
    return false;
}

static void note_unknown(struct opening_plan *plan, size_t at)
{
    struct finding *note =
        findings_add(&plan->plan.notes, FINDING_UNKNOWN, "rights", "%s", plan->sights[at].sentence);

    finding_subject(note, "%s", managers[at]->name);
    finding_mend(note, "run it with sudo, which shows the steps before it asks");
}

/* An empty plan from rules that nobody could read says nothing about the port. */
static void note_unseen(struct opening_plan *plan)
{
    if (!plan->changed_by_root || plan->plan.count > 0 ||
        findings_worst(&plan->plan.notes) >= FINDING_UNKNOWN)
        return;
    finding_mend(findings_add(&plan->plan.notes, FINDING_UNKNOWN, "rights",
                              "the firewall's rules are shown to root only"),
                 "run it with sudo, which shows the steps before it asks");
}

static bool any_in_force(const struct opening_plan *plan)
{
    for (size_t i = 0; managers[i]; i++)
        if (plan->sights[i].presence == PRESENCE_IN_FORCE)
            return true;
    return false;
}

int open_plan(const struct look *look, const struct wish *wish, struct diags *diags,
              struct opening_plan *ret_plan)
{
    int r = 0;

    *ret_plan = (struct opening_plan){0};
    detect_all(look, ret_plan);
    if (wish->zone && !is_in_force(ret_plan, "firewalld")) {
        diag_hint(diags_add(diags, "--zone is for firewalld, which is not in force here"),
                  "leave it out; --interface and --from narrow who may come");
        return ERR_SETTINGS;
    }
    for (size_t i = 0; r >= 0 && managers[i]; i++) {
        if (ret_plan->sights[i].presence == PRESENCE_IN_FORCE)
            r = managers[i]->plan_open(look, wish, &ret_plan->plan, diags);
        else if (ret_plan->sights[i].presence == PRESENCE_UNKNOWN)
            note_unknown(ret_plan, i);
    }
    ret_plan->changed_by_root = !look->privileged;
    note_unseen(ret_plan);
    if (r >= 0 && look->privileged && !any_in_force(ret_plan))
        findings_add(&ret_plan->plan.notes, FINDING_NOTE, "firewall",
                     "no firewall is in force on this machine: nothing closes a port here");
    return r;
}

int close_plan(const struct look *look, const struct wish *wish, struct diags *diags,
               struct opening_plan *ret_plan)
{
    int r = 0;

    *ret_plan = (struct opening_plan){0};
    detect_all(look, ret_plan);
    for (size_t i = 0; r >= 0 && managers[i]; i++) {
        r = managers[i]->plan_close(look, wish, &ret_plan->plan, diags);
        if (ret_plan->sights[i].presence == PRESENCE_UNKNOWN)
            note_unknown(ret_plan, i);
    }
    ret_plan->changed_by_root = !look->privileged;
    note_unseen(ret_plan);
    return r;
}

/* ---- carrying it out ---- */

int opening_lock(const char *state, void (*on_wait)(void))
{
    scoped(mem_release) char *path = mem_format("%s/firewall.lock", state);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd < 0 ? -errno : fd;
    if (on_wait)
        on_wait();
    if (flock(fd, LOCK_EX) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

int opening_apply(const struct plan *plan, bool opens, const char *state, struct diags *diags)
{
    int r = opens ? done_record(state, plan, false, diags) : 0;

    if (r < 0)
        return r;
    r = plan_apply(plan, NULL, diags);
    if (r >= 0)
        return opens ? 0 : done_record(state, plan, false, diags);
    if (opens) {
        int undone = done_record(state, plan, true, diags);
        (void)undone; /* told in diags */
    }
    return r;
}

/* ---- whose ports ---- */

static void add_record(struct plan *plan, struct port port, bool owned)
{
    struct plan_step *step = plan_add(plan, OPENING_SERVE, "%s", OPENING_SERVE);

    step->record.what = owned ? PLAN_RECORD_OPENED : PLAN_RECORD_CLOSED;
    step->record.port = port;
}

int opening_own(const char *state, struct port port, bool owned, struct diags *diags)
{
    struct plan plan = {0};

    add_record(&plan, port, owned);
    int r = done_record(state, &plan, false, diags);
    plan_finish(&plan);
    return r;
}

int opening_disown(const char *state, const struct ports *ports, struct diags *diags)
{
    struct ports owned = opening_owned(state);
    struct plan plan = {0};

    for (size_t i = 0; i < owned.count; i++)
        if (ports->count == 0 || ports_have(ports, owned.items[i]))
            add_record(&plan, owned.items[i], false);
    int r = done_record(state, &plan, false, diags);
    plan_finish(&plan);
    return r;
}

struct ports opening_owned(const char *state)
{
    json_t *list = done_load(state), *entry;
    struct ports owned = {.count = 0};
    size_t i;

    json_array_foreach(list, i, entry)
    {
        const char *manager = json_string_value(json_object_get(entry, "manager"));
        const char *text = json_string_value(json_object_get(entry, "port"));
        struct diags diags = {0};
        struct port port;
        bool known = manager && text && strcmp(manager, OPENING_SERVE) == 0 &&
                     port_parse(text, &diags, &port) >= 0;
        diags_finish(&diags);
        if (known && ports_add(&owned, port) < 0)
            break;
    }
    json_decref(list);
    return owned;
}

/* ---- another machine ---- */

/* A Linux machine whose firewall lets in nothing that it is not told to: what most guides and
 * providers set up. */
static void imagine(struct look *look)
{
    static const char ruleset[] =
        "[{\"table\":{\"family\":\"inet\",\"name\":\"filter\",\"handle\":1}},"
        "{\"chain\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"input\",\"handle\":1,"
        "\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"drop\"}}]";
    static const char filter[] = "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n";
    json_error_t error;

    *look = (struct look){.privileged = true,
                          .root = mem_string(SPAN("")),
                          .has_nft = true,
                          .has_iptables = true,
                          .has_iptables_legacy = true,
                          .has_persistent = true,
                          .persistent_unit = true};
    look->ruleset = json_loads(ruleset, 0, &error);
    for (size_t flavour = 0; flavour < LOOK_XT_FLAVOURS; flavour++)
        for (size_t family = 0; family < 2; family++)
            look->xt[flavour][family].filter = mem_string(span_str(filter));
}

static void note_elsewhere(const struct manager *manager, struct plan *plan)
{
    if (strcmp(manager->system, "linux") == 0)
        finding_mend(findings_add(&plan->notes, FINDING_NOTE, "machine",
                                  "this is for a machine whose chains are the usual ones and drop "
                                  "what they are not told to let in; yours may differ"),
                     "run `gardien open --dry-run` there, which looks");
}

int elsewhere_plan(const struct manager *manager, bool opens, const struct wish *wish,
                   struct diags *diags, struct opening_plan *ret_plan)
{
    struct look look;

    *ret_plan = (struct opening_plan){0};
    imagine(&look);
    int r;
    if (opens || strcmp(manager->system, "linux") != 0) {
        r = opens ? manager->plan_open(&look, wish, &ret_plan->plan, diags)
                  : manager->plan_close(&look, wish, &ret_plan->plan, diags);
    } else { /* it is not known what is there: what `open` would have done is taken back */
        struct wish opened = *wish;
        opened.ports = wish->ports.count ? wish->ports : ports_default();
        r = manager->plan_open(&look, &opened, &ret_plan->plan, diags);
        plan_reverse(&ret_plan->plan);
    }
    note_elsewhere(manager, &ret_plan->plan);
    look_finish(&look);
    return r;
}

void opening_plan_finish(struct opening_plan *plan)
{
    for (size_t i = 0; plan->sights && managers[i]; i++)
        free(plan->sights[i].sentence);
    free(plan->sights);
    plan_finish(&plan->plan);
    *plan = (struct opening_plan){0};
}

json_t *opening_managers_json(const struct opening_plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; plan->sights && managers[i]; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s*}", "manager", managers[i]->name,
                                              "presence", presence_name(plan->sights[i].presence),
                                              "sentence", plan->sights[i].sentence));
    return list;
}

/* ---- the proof ---- */

/* Lost to routing or its checks, which no manager can mend? */
static bool is_lost_elsewhere(const struct firewall_path *path)
{
    return path->culprit < path->count && path->steps[path->culprit].layer == FIREWALL_KERNEL;
}

/* @return 1 when the port is closed */
static size_t prove(const struct wish *wish, struct port port, int family,
                    struct findings *findings)
{
    int protocol = port.protocol == PORT_UDP ? IPPROTO_UDP : IPPROTO_TCP;
    struct firewall_path path;
    struct finding *finding;
    char text[PORT_TEXT];
    size_t closed = 0;
    int r = firewall_prove(port.number, protocol, family, wish->interface, &path);

    if (r == ERR_NOT_FOUND) { /* this host does not have the family */
        firewall_path_finish(&path);
        return 0;
    }
    const char *version = family == AF_INET ? "IPv4" : "IPv6";
    if (firewall_proved(&path)) {
        finding =
            findings_add(findings, FINDING_GOOD, "open", "a probe gets through over %s", version);
    } else if (path.verdict == FIREWALL_UNKNOWN) {
        finding = findings_add(findings, FINDING_UNKNOWN, "open", "not proved over %s: %s", version,
                               path.reason ? path.reason : "no probe could be sent");
    } else {
        finding = findings_add(findings, FINDING_BAD, "closed", "a probe is lost over %s: %s",
                               version, path.reason ? path.reason : "dropped");
        finding_mend(finding, "gardien why %s", port_text(port, text));
        closed = 1;
        if (is_lost_elsewhere(&path)) {
            finding->grade = FINDING_WARNING;
            closed = 0;
        }
    }
    finding_subject(finding, "%s", port_text(port, text));
    firewall_path_finish(&path);
    return closed;
}

size_t open_prove(const struct wish *wish, struct findings *findings)
{
    size_t closed = 0;

    for (size_t i = 0; i < wish->ports.count; i++) {
        closed += prove(wish, wish->ports.items[i], AF_INET, findings);
        closed += prove(wish, wish->ports.items[i], AF_INET6, findings);
    }
    return closed;
}
