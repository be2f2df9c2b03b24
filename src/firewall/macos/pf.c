/* macOS: rules in an anchor of our own below com.apple, which the system's pf.conf calls, so that
 * that file stays as it came; pf switched on by a token, so that it goes off again only when nobody
 * else wants it; and the application firewall, which is what usually blocks a server there. The
 * file with the rules is what tells which ports are open: each rule has its port as label. */
#include "firewall/macos/pf.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "firewall/plan/manager.h"

#define NAME "macos"
#define PROGRAM "/usr/local/bin/gardien"
#define PROGRAM_LINE "# In the application firewall by gardien: "

#define SWITCH_ON                                                                                  \
    PF_PFCTL " -E 2>&1 | /usr/bin/awk '/^Token/ {print $3}' >" PF_TOKEN "; test -s " PF_TOKEN
#define SWITCH_OFF PF_PFCTL " -X \"$(cat " PF_TOKEN ")\"; rm -f " PF_TOKEN

enum { RULES_MAX = 256 * 1024 };

static void detect(const struct firewall_facts *facts, struct detection *ret_state)
{
    const struct pf *pf = &facts->pf;
    enum pf_state application = pf->application.on;

    if (!pf->there)
        *ret_state = (struct detection){PRESENCE_ABSENT, mem_format("there is no %s", PF_PFCTL)};
    else if (pf->on == PF_ON || application == PF_ON)
        *ret_state = (struct detection){
            PRESENCE_IN_FORCE, mem_format("%s%s%s", pf->on == PF_ON ? "pf" : "",
                                          pf->on == PF_ON && application == PF_ON ? " and " : "",
                                          application == PF_ON ? "the application firewall" : "")};
    else if (pf->on == PF_OFF && application == PF_OFF)
        *ret_state = (struct detection){PRESENCE_IDLE,
                                        mem_format("pf and the application firewall are off")};
    else
        *ret_state = (struct detection){
            facts->privileged ? PRESENCE_IN_FORCE : PRESENCE_UNKNOWN,
            mem_format("whether pf is on %s",
                       facts->privileged ? "could not be told" : "is shown to root only")};
}

/* ---- the file of rules ---- */

/* Text is added as long as there is room; whether it is whole is looked at once, at its end. */
static void add_line(struct buffer *rules, struct span line)
{
    int r = buffer_printf(rules, "%.*s\n", SPAN_ARGS(line));

    if (r < 0)
        abort(); /* a file of ours is at most 64 ports times the ways in which they were asked for
                  */
}

static void add_rule(struct buffer *rules, const struct firewall_request *request, struct port port,
                     int family)
{
    char network[NETWORK_TEXT], tag[TAG_TEXT];
    scoped(mem_release) char *line = mem_format(
        "pass in quick%s%s %s proto %s from %s to any port %u%s label \"%s\"",
        request->interface ? " on " : "", request->interface ? request->interface : "",
        family == 6 ? "inet6" : "inet", port_protocol_name(port.protocol),
        request->from.family ? network_text(&request->from, network) : "any", port.number,
        port.protocol == PORT_TCP ? " flags S/SA keep state" : " keep state", tag_text(port, tag));
    struct span rest = buffer_span(rules), there;

    while (span_next(&rest, '\n', &there))
        if (span_equal(there, span_str(line)))
            return;
    add_line(rules, span_str(line));
}

/* The next program that we added to the application firewall, as the file says.
 * @return for free(), or NULL */
static char *next_program(struct span *rest)
{
    struct span line;

    while (span_next(rest, '\n', &line))
        if (span_starts(line, SPAN(PROGRAM_LINE)))
            return mem_string(span_from(line, sizeof PROGRAM_LINE - 1));
    return NULL;
}

/* A file that begins as ours do, with the rules of `old` but those for `dropped` (none: all of
 * ours); NULL: none is dropped. */
static struct buffer rewrite(const char *old, const struct ports *dropped)
{
    struct buffer rules = buffer_make(RULES_MAX);
    struct span rest = span_str(old), line;
    struct port port;

    add_line(&rules, SPAN("# Ports that `gardien open` opened; `gardien close` removes them."));
    while (old && span_next(&rest, '\n', &line))
        if (span_starts(line, SPAN(PROGRAM_LINE)) ||
            (pf_is_rule(line) && !(dropped && pf_rule_port(line, &port) &&
                                   (!dropped->count || ports_have(dropped, port)))))
            add_line(&rules, line);
    return rules;
}

static size_t count_rules(struct span text)
{
    struct span line;
    size_t count = 0;

    while (span_next(&text, '\n', &line))
        count += pf_is_rule(line);
    return count;
}

/* ---- programs ---- */

/* Those that listen on the ports of the request are let in; where none does, this one.
 * @return whether the program is one of them */
static bool is_meant(const struct pf *pf, size_t at, const struct firewall_request *request)
{
    bool any = false, it = false;

    for (size_t i = 0; i < pf->program_count; i++)
        for (size_t k = 0; k < request->ports.count; k++)
            if (ports_have(&pf->programs[i].ports, request->ports.items[k])) {
                any = true;
                it = it || i == at;
            }
    return any ? it : pf->self && strcmp(pf->programs[at].path, pf->self) == 0;
}

/* A rule's file says which programs came by us, so that closing removes those and no others. */
static void add_program_line(struct buffer *rules, const char *path)
{
    scoped(mem_release) char *line = mem_format(PROGRAM_LINE "%s", path);
    struct span rest = buffer_span(rules), there;

    while (span_next(&rest, '\n', &there))
        if (span_equal(there, span_str(line)))
            return;
    add_line(rules, span_str(line));
}

static bool is_added(const struct pf *pf, size_t at, const struct firewall_request *request)
{
    const struct pf_program *program = &pf->programs[at];

    return pf->application.on != PF_OFF && program->let_in != PF_ON && !program->blocked &&
           is_meant(pf, at, request);
}

/* @return for free() */
static char *rules_with(const struct firewall_facts *facts, const struct firewall_request *request)
{
    const struct pf *pf = &facts->pf;
    struct buffer rules = rewrite(pf->rules, NULL);

    for (size_t i = 0; i < pf->program_count; i++)
        if (is_added(pf, i, request))
            add_program_line(&rules, pf->programs[i].path);
    if (!facts->here)
        add_program_line(&rules, PROGRAM);
    for (size_t i = 0; i < request->ports.count; i++) {
        if (request->from.family != 6)
            add_rule(&rules, request, request->ports.items[i], 4);
        if (request->from.family != 4)
            add_rule(&rules, request, request->ports.items[i], 6);
    }
    char *text = mem_string(buffer_span(&rules));
    buffer_finish(&rules);
    return text;
}

static const char daemon_text[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
    "<plist version=\"1.0\"><dict>\n"
    "  <key>Label</key><string>" PF_LABEL "</string>\n"
    "  <key>ProgramArguments</key><array>\n"
    "    <string>/bin/sh</string><string>-c</string>\n"
    "    <string>" PF_PFCTL " -a " PF_ANCHOR " -f " PF_RULES "; " PF_PFCTL
    " -E 2&gt;&amp;1 | /usr/bin/awk '/^Token/ {print $3}' &gt;" PF_TOKEN "</string>\n"
    "  </array>\n"
    "  <key>RunAtLoad</key><true/>\n"
    "</dict></plist>\n";

/* ---- steps ---- */

/* @param old  what is there; NULL: nothing */
static void write_step(struct plan *plan, const char *path, const char *text, const char *old,
                       const char *reason)
{
    struct plan_step *step = plan_add(plan, NAME, "%s", reason);

    plan_write(&step->action, path, span_str(text), 0644);
    if (old)
        plan_write(&step->undo, path, span_str(old), 0644);
    else
        plan_remove(&step->undo, path);
    plan_spell(step);
}

static void remove_step(struct plan *plan, const char *path, const char *old, const char *reason)
{
    struct plan_step *step = plan_add(plan, NAME, "%s", reason);

    plan_remove(&step->action, path);
    if (old)
        plan_write(&step->undo, path, span_str(old), 0644);
    plan_spell(step);
}

static void shell_step(struct plan *plan, const char *script, const char *undo, const char *reason)
{
    struct plan_step *step = plan_add(plan, NAME, "%s", reason);

    plan_command(&step->action, "/bin/sh", "-c", script, NULL);
    step->typed = mem_string(span_str(script));
    if (undo) {
        plan_command(&step->undo, "/bin/sh", "-c", undo, NULL);
        step->untyped = mem_string(span_str(undo));
    }
}

/* -q leaves out what it says whatever it does, so that its first line tells what is wrong. */
static void load_action(struct plan_action *action)
{
    plan_command(action, PF_PFCTL, "-q", "-a", PF_ANCHOR, "-f", PF_RULES, NULL);
}

static void flush_action(struct plan_action *action)
{
    plan_command(action, PF_PFCTL, "-q", "-a", PF_ANCHOR, "-F", "rules", NULL);
}

/* @param again  rules were there before: the undo loads those, once their file is back */
static void load_step(struct plan *plan, bool again)
{
    struct plan_step *step = plan_add(plan, NAME, "pf loads them, into an anchor of their own");

    load_action(&step->action);
    if (again)
        load_action(&step->undo);
    else
        flush_action(&step->undo);
    step->undo_last = again;
    plan_spell(step);
}

static void program_step(struct plan *plan, const char *option, const char *undo,
                         const char *program, const char *reason)
{
    struct plan_step *step = plan_add(plan, NAME, "%s", reason);

    plan_command(&step->action, PF_SOCKETFILTERFW, option, program, NULL);
    if (undo)
        plan_command(&step->undo, PF_SOCKETFILTERFW, undo, program, NULL);
    plan_spell(step);
}

/* ---- open ---- */

static bool is_loaded(const struct pf *pf, const struct ports *ports,
                      const struct firewall_request *request)
{
    for (size_t i = 0; pf->loaded && i < ports->count; i++)
        for (int family = 4; family <= 6; family += 2)
            if (request->from.family != (family == 4 ? 6 : 4) &&
                !pf_has_rule(pf->loaded, ports->items[i], family))
                return false;
    return true;
}

static void note_here(const struct pf *pf, const struct firewall_request *request,
                      struct plan *plan)
{
    bool listens = false;

    for (size_t i = 0; i < pf->program_count; i++)
        listens = listens || (is_meant(pf, i, request) && pf->programs[i].ports.count);
    if (pf->call == PF_OFF)
        finding_hint(findings_add(&plan->notes, FINDING_WARNING, "anchor",
                                  "/etc/pf.conf does not call the anchors below com.apple, as it "
                                  "does when it comes: the rules will not be met"),
                     "put this line into it: anchor \"com.apple/*\"; then: sudo pfctl -f "
                     "/etc/pf.conf");
    if (pf->application.blocks_all == PF_ON)
        finding_hint(findings_add(&plan->notes, FINDING_WARNING, "application",
                                  "the application firewall blocks all that comes in"),
                     "sudo %s --setblockall off", PF_SOCKETFILTERFW);
    else if (pf->application.on != PF_OFF && !listens)
        finding_hint(findings_add(&plan->notes, FINDING_NOTE, "application",
                                  "nobody listens on the ports yet; the application firewall has "
                                  "to let connections in to the program that will"),
                     "open them again once it runs, or: sudo %s --add PROGRAM; sudo %s "
                     "--unblockapp PROGRAM",
                     PF_SOCKETFILTERFW, PF_SOCKETFILTERFW);
}

static void note_elsewhere(struct plan *plan)
{
    finding_hint(
        findings_add(&plan->notes, FINDING_NOTE, "state",
                     "on macOS as it comes pf filters nothing; when a port is closed there, "
                     "it is the application firewall mostly"),
        PF_SOCKETFILTERFW " --getglobalstate; pfctl -s info");
    finding_hint(
        findings_add(&plan->notes, FINDING_NOTE, "anchor",
                     "the system's /etc/pf.conf calls the anchors below com.apple; one that "
                     "was changed may not"),
        "grep 'anchor \"com.apple/\\*\"' /etc/pf.conf");
    findings_add(
        &plan->notes, FINDING_NOTE, "advice",
        "`pfctl -d` and a line at the end of /etc/pf.conf, which is common advice, switches "
        "everybody's firewall off for a moment, and is gone after a system update");
    findings_add(&plan->notes, FINDING_NOTE, "rights",
                 "the commands are for a root shell: sudo -s");
}

static void plan_program(struct plan *plan, const char *path, bool adds, const char *reason)
{
    if (adds)
        program_step(plan, "--add", "--remove", path, reason);
    program_step(plan, "--unblockapp", adds ? NULL : "--blockapp", path,
                 "and lets connections to it in");
}

static void plan_application(const struct firewall_facts *facts,
                             const struct firewall_request *request, struct plan *plan)
{
    const struct pf *pf = &facts->pf;

    for (size_t i = 0; i < pf->program_count; i++) {
        const struct pf_program *program = &pf->programs[i];
        bool adds = is_added(pf, i, request);
        if (adds || (program->blocked && is_meant(pf, i, request)))
            plan_program(plan, program->path, adds,
                         program->ports.count ? "the application firewall knows who listens"
                                              : "the application firewall knows this program");
    }
    if (!facts->here)
        plan_program(
            plan, PROGRAM, true,
            "the application firewall knows the program that listens (give its real path)");
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct plan *plan, struct diags *diags)
{
    const struct pf *pf = &facts->pf;
    scoped(mem_release) char *rules = rules_with(facts, request);

    if (request->zone || request->profile) {
        diag_hint(diags_add(diags, "macOS has no %s", request->zone ? "zones" : "profiles"),
                  "--interface and --from narrow who may come");
        return ERR_SETTINGS;
    }
    bool same = pf->rules && strcmp(pf->rules, rules) == 0;
    if (!same)
        write_step(plan, PF_RULES, rules, pf->rules, "the rules, for IPv4 and IPv6");
    if (!pf->daemon || strcmp(pf->daemon, daemon_text) != 0)
        write_step(plan, PF_DAEMON, daemon_text, pf->daemon,
                   "launchd loads them at each start of the machine");
    if (!same || !is_loaded(pf, &request->ports, request))
        load_step(plan, pf->rules != NULL);
    if (!pf->token || pf->on == PF_OFF)
        shell_step(plan, SWITCH_ON, SWITCH_OFF,
                   "pf is switched on; the token takes that back, unless others want it on");
    plan_application(facts, request, plan);
    if (facts->here)
        note_here(pf, request, plan);
    else
        note_elsewhere(plan);
    return 0;
}

/* ---- close ---- */

static void close_all(const struct firewall_facts *facts, struct plan *plan)
{
    const struct pf *pf = &facts->pf;
    struct span rest = facts->here ? span_str(pf->rules) : SPAN(PROGRAM_LINE PROGRAM);
    struct plan_step *step = plan_add(plan, NAME, "the anchor is emptied");

    flush_action(&step->action);
    step->action.lenient = true;
    load_action(&step->undo);
    step->undo_last = true;
    plan_spell(step);
    if (!facts->here || pf->token)
        shell_step(plan, SWITCH_OFF, SWITCH_ON, "pf goes off unless somebody else has it on");
    if (!facts->here || pf->daemon) {
        step = plan_add(plan, NAME, "launchd forgets it");
        plan_command(&step->action, "/bin/launchctl", "bootout", "system/" PF_LABEL, NULL);
        step->action.lenient = true; /* it knows it from the next start of the machine on only */
        plan_spell(step);
        remove_step(plan, PF_DAEMON, pf->daemon, "its file goes");
    }
    if (!facts->here || pf->rules)
        remove_step(plan, PF_RULES, pf->rules, "the rules' file goes");
    for (char *program; (program = next_program(&rest)); free(program)) {
        program_step(plan, "--remove", "--add", program,
                     "the application firewall forgets the program");
        plan->items[plan->count - 1].action.lenient = true;
    }
}

static void close_some(const struct pf *pf, const char *text, struct plan *plan)
{
    write_step(plan, PF_RULES, text, pf->rules, "the other rules stay");
    load_step(plan, true);
}

/* What is open there is not known: rules are dropped by their labels. */
static void close_elsewhere(const struct firewall_request *request, struct plan *plan)
{
    for (size_t i = 0; i < request->ports.count; i++) {
        struct port port = request->ports.items[i];
        scoped(mem_release) char *script =
            mem_format("sed -i '' '/label \"gardien:%u\\/%s\"/d' " PF_RULES, port.number,
                       port_protocol_name(port.protocol));
        shell_step(plan, script, NULL, "its rules go, those of other ports stay");
    }
    load_step(plan, true);
    plan->items[plan->count - 1].undo_last = false;
    findings_add(&plan->notes, FINDING_NOTE, "ports",
                 "`gardien close --on macos` without ports shows how all of it is taken back");
}

static int plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                      struct plan *plan, struct diags *diags)
{
    const struct pf *pf = &facts->pf;

    (void)diags;
    if (!facts->here && request->ports.count) {
        close_elsewhere(request, plan);
    } else if (!facts->here) {
        close_all(facts, plan);
    } else if (pf->rules || pf->daemon || pf->token) {
        struct buffer left = rewrite(pf->rules, &request->ports);
        scoped(mem_release) char *text = mem_string(buffer_span(&left));
        size_t rules = count_rules(buffer_span(&left));
        buffer_finish(&left);
        if (rules == 0)
            close_all(facts, plan);
        else if (rules < count_rules(span_str(pf->rules)))
            close_some(pf, text, plan);
    }
    return 0;
}

const struct manager manager_pf = {
    .name = NAME,
    .system = "macos",
    .detect = detect,
    .plan_open = plan_open,
    .plan_close = plan_close,
};
