/* What macOS says of its two firewalls, read and judged. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/macos/pf.h"
#include "firewall/plan/manager.h"

void pf_finish(struct pf *pf)
{
    free(pf->rules);
    free(pf->daemon);
    free(pf->loaded);
    for (size_t i = 0; i < pf->program_count; i++)
        free(pf->programs[i].path);
    free(pf->programs);
    free(pf->self);
    *pf = (struct pf){0};
}

/* ---- what programs say ---- */

static enum pf_state either(const char *text, const char *on, const char *off)
{
    if (text && strstr(text, off))
        return PF_OFF;
    return text && strstr(text, on) ? PF_ON : PF_UNKNOWN;
}

enum pf_state pf_read_info(const char *text)
{
    return either(text, "Status: Enabled", "Status: Disabled");
}

enum pf_state pf_read_global(const char *text)
{
    return either(text, "(State = ", "(State = 0)");
}

/* Older ones write "Block all DISABLED!", newer ones a sentence; state 2 says it too. */
enum pf_state pf_read_block_all(const char *text, const char *global)
{
    if (global && strstr(global, "(State = 2)"))
        return PF_ON;
    if (text && (strstr(text, "DISABLED") || strstr(text, "disabled") || strstr(text, "not set")))
        return PF_OFF;
    return text && (strstr(text, "ENABLED") || strstr(text, "enabled") || strstr(text, "block all"))
               ? PF_ON
               : PF_UNKNOWN;
}

enum pf_state pf_read_program(const char *text, bool *ret_blocked)
{
    *ret_blocked = text && strstr(text, "is blocked");
    if (*ret_blocked)
        return PF_OFF;
    return either(text, "permitted", "not part of");
}

enum pf_state pf_read_conf(const char *text)
{
    struct span rest = span_str(text), line;

    while (text && span_next(&rest, '\n', &line)) {
        line = span_trim(line);
        if (span_starts(line, SPAN("anchor \"com.apple/*\"")) ||
            span_starts(line, SPAN("anchor \"" PF_ANCHOR "\"")))
            return PF_ON;
    }
    return text ? PF_OFF : PF_UNKNOWN;
}

/* ---- the rules ---- */

static bool has(struct span line, const char *part)
{
    scoped(mem_release) char *text = mem_string(line);

    return strstr(text, part) != NULL;
}

bool pf_is_rule(struct span line)
{
    line = span_trim(line);
    return line.len && line.ptr[0] != '#';
}

bool pf_rule_port(struct span line, struct port *ret_port)
{
    static const struct span start = SPAN("label \"");
    scoped(mem_release) char *text = mem_string(line);
    char *label = NULL, *end;

    if (!pf_is_rule(line))
        return false;
    for (char *at = text; (at = strstr(at, start.ptr)); at += start.len)
        label = at;
    if (!label || !(end = strchr(label + start.len, '"')))
        return false;
    *end = '\0';
    return tag_parse(label + start.len, ret_port);
}

bool pf_has_rule(const char *text, struct port port, int family)
{
    struct span rest = span_str(text), line;
    struct port labelled;

    while (text && span_next(&rest, '\n', &line))
        if (span_starts(span_trim(line), SPAN("pass ")) && pf_rule_port(line, &labelled) &&
            port_equal(labelled, port) && has(line, family == 6 ? " inet6 " : " inet "))
            return true;
    return false;
}

/* @return whether it is closed */
static bool judge(const struct pf *pf, const struct firewall_request *request, struct port port,
                  int family, struct findings *findings)
{
    bool there = pf_has_rule(pf->loaded, port, family);
    char text[PORT_TEXT];

    if (request->from.family && request->from.family != family)
        return false;
    struct finding *finding =
        there ? findings_add(findings, FINDING_GOOD, "open",
                             "pf has the rule that lets it in over IPv%d", family)
              : findings_add(findings, FINDING_BAD, "closed",
                             "pf has no rule that lets it in over IPv%d", family);
    finding_subject(finding, "%s", port_text(port, text));
    if (!there)
        finding_hint(finding, "sudo pfctl -a %s -f %s says what is wrong", PF_ANCHOR, PF_RULES);
    return !there;
}

size_t pf_judge(const struct pf *pf, const struct firewall_request *request,
                struct findings *findings)
{
    size_t closed = 0;

    if (!pf->there || (pf->on == PF_OFF && pf->application.on == PF_OFF)) {
        findings_add(findings, FINDING_NOTE, "open",
                     pf->there ? "pf and the application firewall are off: neither closes a port"
                               : "there is no pf to ask");
        return 0;
    }
    if (pf->application.blocks_all == PF_ON) {
        finding_hint(findings_add(findings, FINDING_BAD, "closed",
                                  "the application firewall blocks all that comes in"),
                     "sudo %s --setblockall off", PF_SOCKETFILTERFW);
        return request->ports.count;
    }
    if (!pf->loaded) {
        finding_hint(
            findings_add(findings, FINDING_UNKNOWN, "open", "the rules could not be read back"),
            "look: sudo pfctl -a %s -s rules", PF_ANCHOR);
        return 0;
    }
    for (size_t i = 0; i < request->ports.count; i++) {
        bool v4 = judge(pf, request, request->ports.items[i], 4, findings);
        bool v6 = judge(pf, request, request->ports.items[i], 6, findings);
        closed += v4 || v6;
    }
    return closed;
}
