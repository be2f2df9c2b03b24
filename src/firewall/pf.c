/* macOS: rules in an anchor of our own below com.apple, which the system's pf.conf calls, so that
 * that file stays as it came; pf switched on by a token, so that it goes off again only when nobody
 * else wants it; and the application firewall, which is what usually blocks a server there. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "firewall/manager.h"

#define NAME "macos"
#define ANCHOR "com.apple/gardien"
#define RULES "/etc/pf.anchors/gardien"
#define TOKEN "/var/db/gardien.pf-token"
#define LABEL "io.gardien.pf"
#define DAEMON "/Library/LaunchDaemons/" LABEL ".plist"
#define SOCKETFILTERFW "/usr/libexec/ApplicationFirewall/socketfilterfw"
#define PROGRAM "/usr/local/bin/gardien"

#define UNDO                                                                                       \
    "launchctl bootout system/" LABEL "; pfctl -a " ANCHOR " -F all; pfctl -X \"$(cat " TOKEN      \
    ")\"; rm -f " TOKEN

enum { RULES_MAX = 64 * 1024 };

static void detect(const struct look *look, struct sight *ret_sight)
{
    (void)look;
    *ret_sight = (struct sight){PRESENCE_ABSENT, mem_format("this machine is no macOS")};
}

/* ---- the rules ---- */

static void add_rule(struct buffer *rules, const struct wish *wish, struct port port, int family)
{
    char network[NETWORK_TEXT], tag[TAG_TEXT];
    int r = buffer_printf(
        rules, "pass in quick%s%s %s proto %s from %s to any port %u%s label \"%s\"\n",
        wish->interface ? " on " : "", wish->interface ? wish->interface : "",
        family == 6 ? "inet6" : "inet", port_protocol_name(port.protocol),
        wish->from.family ? network_text(&wish->from, network) : "any", port.number,
        port.protocol == PORT_TCP ? " flags S/SA keep state" : " keep state", tag_text(port, tag));

    if (r < 0)
        abort(); /* PORTS_MAX ports need some 20 KiB */
}

/* @return for free() */
static char *rules_text(const struct wish *wish)
{
    struct buffer rules = buffer_make(RULES_MAX);
    int r = buffer_printf(&rules,
                          "# Ports that `gardien open` opened; `gardien close` removes them.\n");

    for (size_t i = 0; r >= 0 && i < wish->ports.count; i++) {
        if (wish->from.family != 6)
            add_rule(&rules, wish, wish->ports.items[i], 4);
        if (wish->from.family != 4)
            add_rule(&rules, wish, wish->ports.items[i], 6);
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
    "  <key>Label</key><string>" LABEL "</string>\n"
    "  <key>ProgramArguments</key><array>\n"
    "    <string>/bin/sh</string><string>-c</string>\n"
    "    <string>/sbin/pfctl -a " ANCHOR " -f " RULES "; test ! -s " TOKEN " || "
    "/sbin/pfctl -X $(cat " TOKEN "); /sbin/pfctl -E 2&gt;&amp;1 | "
    "/usr/bin/awk '/^Token/ {print $3}' &gt;" TOKEN "</string>\n"
    "  </array>\n"
    "  <key>RunAtLoad</key><true/>\n"
    "</dict></plist>\n";

/* ---- open ---- */

static void write_step(struct plan *plan, const char *path, const char *text, const char *reason)
{
    struct plan_step *step = plan_add(plan, NAME, "%s", reason);

    plan_write(&step->action, path, span_str(text), 0644);
    plan_remove(&step->undo, path);
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

static void plan_application_firewall(struct plan *plan)
{
    shell_step(plan, SOCKETFILTERFW " --add " PROGRAM, SOCKETFILTERFW " --remove " PROGRAM,
               "the application firewall knows the program that listens (give its real path)");
    shell_step(plan, SOCKETFILTERFW " --unblockapp " PROGRAM, NULL,
               "and lets connections to it in");
}

static void note_what_else(struct plan *plan)
{
    finding_mend(
        findings_add(&plan->notes, FINDING_NOTE, "state",
                     "on macOS as it comes pf filters nothing; when a port is closed there, "
                     "it is the application firewall mostly"),
        SOCKETFILTERFW " --getglobalstate; pfctl -s info");
    finding_mend(
        findings_add(&plan->notes, FINDING_NOTE, "anchor",
                     "the system's /etc/pf.conf calls the anchors below com.apple; one that "
                     "was changed may not"),
        "grep 'anchor \"com.apple/\\*\"' /etc/pf.conf");
    findings_add(
        &plan->notes, FINDING_NOTE, "advice",
        "`pfctl -d` and a line at the end of /etc/pf.conf, which is common advice, switches "
        "everybody's firewall off for a moment, and is gone after a system update");
    findings_add(&plan->notes, FINDING_NOTE, "rights", "the commands need sudo");
}

static int plan_open(const struct look *look, const struct wish *wish, struct plan *plan,
                     struct diags *diags)
{
    scoped(mem_release) char *rules = rules_text(wish);

    (void)look;
    if (wish->zone || wish->profile) {
        diag_hint(diags_add(diags, "macOS has no %s", wish->zone ? "zones" : "profiles"),
                  "--interface and --from narrow who may come");
        return ERR_SETTINGS;
    }
    write_step(plan, RULES, rules, "the rules, for IPv4 and IPv6");
    write_step(plan, DAEMON, daemon_text,
               "what loads them into an anchor of their own, switches pf on and keeps the token "
               "that takes that back");
    shell_step(plan,
               "launchctl bootout system/" LABEL " 2>/dev/null; launchctl bootstrap system " DAEMON,
               UNDO, "launchd does it now and at each start of the machine");
    plan_application_firewall(plan);
    note_what_else(plan);
    return 0;
}

/* ---- close ---- */

static int plan_close(const struct look *look, const struct wish *wish, struct plan *plan,
                      struct diags *diags)
{
    (void)look;
    (void)diags;
    if (wish->ports.count)
        findings_add(&plan->notes, FINDING_NOTE, "ports",
                     "this closes all ports that gardien opened; those that shall stay are opened "
                     "anew with `gardien open`");
    shell_step(plan, UNDO, NULL,
               "launchd forgets it, the anchor is emptied, pf goes off unless somebody else has it "
               "on");
    struct plan_step *step = plan_add(plan, NAME, "its file goes");
    plan_remove(&step->action, DAEMON);
    plan_spell(step);
    step = plan_add(plan, NAME, "its rules go");
    plan_remove(&step->action, RULES);
    plan_spell(step);
    shell_step(plan, SOCKETFILTERFW " --remove " PROGRAM, NULL,
               "the application firewall forgets the program");
    return 0;
}

const struct manager manager_pf = {
    .name = NAME,
    .system = "macos",
    .detect = detect,
    .plan_open = plan_open,
    .plan_close = plan_close,
};
