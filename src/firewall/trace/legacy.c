/* iptables-legacy tells nobody which rule dropped a packet, but counts for each. A burst of probes
 * stands out from what else passes in those milliseconds. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/nsec.h"
#include "firewall/trace/drop_reason.h"
#include "firewall/trace/hint.h"
#include "os/command.h"

enum { BURST = 64 };

/* Where a packet was lost, as the table and chain that sit there. */
static const struct seat {
    enum prober_place place;
    const char *table, *chain;
} seats[] = {
    {PROBER_PREROUTING, "raw", "PREROUTING"},
    {PROBER_PREROUTING_RAW, "mangle", "PREROUTING"},
    {PROBER_PREROUTING_MANGLE, "nat", "PREROUTING"},
    {PROBER_INPUT, "mangle", "INPUT"},
    {PROBER_INPUT_BEFORE_FILTER, "filter", "INPUT"},
    {PROBER_INPUT_AFTER_FILTER, "security", "INPUT"},
    {PROBER_FORWARD, "mangle", "FORWARD"},
    {PROBER_FORWARD_BEFORE_FILTER, "filter", "FORWARD"},
    {PROBER_FORWARD_AFTER_FILTER, "security", "FORWARD"},
};

/* Is there this table, or with NULL any? @return 1, 0, or -EACCES when it may not be asked */
static int has_table(int family, const char *table)
{
    FILE *file = fopen(
        family == AF_INET6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names", "re");
    char line[64];
    int found = 0;

    if (!file)
        return errno == ENOENT ? 0 : -EACCES;
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        found = !table || strcmp(line, table) == 0;
    }
    fclose(file);
    return found;
}

int legacy_present(int family)
{
    return has_table(family, NULL);
}

/* `iptables-legacy-save -c -t TABLE`. @return 0 with output for buffer_finish(), or an error */
static int save(int family, const char *table, struct command_result *ret_result)
{
    const char *program = family == AF_INET6 ? "ip6tables-legacy-save" : "iptables-legacy-save";
    const char *argv[] = {program, "-c", "-t", table, NULL};
    struct command command = {.argv = argv, .timeout = 2 * NSEC_PER_SEC};
    int r = command_run(&command, ret_result);

    if (r == 0 && ret_result->exit_code != 0) {
        command_result_finish(ret_result);
        return -EPERM;
    }
    return r;
}

/* Packets counted by "[12:720] -A INPUT ..." or ":INPUT DROP [12:720]", and the text without them.
 * @return false for other lines */
static bool read_line(struct span line, uint64_t *ret_packets, struct span *ret_text)
{
    ptrdiff_t open = span_find(line, '[');
    struct span inner, count, text;

    if (open < 0 || (line.ptr[0] != ':' && line.ptr[0] != '['))
        return false;
    inner = span_from(line, (size_t)open + 1);
    if (!span_next(&inner, ':', &count) || span_to_uint(count, ret_packets) < 0)
        return false;
    ptrdiff_t close = span_find(line, ']');
    text = line.ptr[0] == ':' ? span_of(line.ptr, (size_t)open)
           : close < 0        ? line
                              : span_from(line, (size_t)close + 1);
    *ret_text = span_trim(text);
    return true;
}

struct found {
    char chain[64];
    struct span rule; /* empty for a policy */
    size_t index;     /* of the rule in its chain, from 0 */
    char target[64];
};

static bool word_after(struct span text, const char *flag, char *ret_word, size_t size)
{
    scoped(mem_release) char *whole = mem_string(text);
    const char *at = strstr(whole, flag);

    if (!at)
        return false;
    at += strlen(flag);
    snprintf(ret_word, size, "%.*s", (int)strcspn(at, " "), at);
    return true;
}

static bool ends_packets(const char *target)
{
    return strcmp(target, "DROP") == 0 || strcmp(target, "REJECT") == 0 ||
           strcmp(target, "TARPIT") == 0 || strcmp(target, "DELUDE") == 0;
}

/* Reads one line that counted the burst. @return whether it is a rule or policy that drops */
static bool is_culprit(struct span text, struct found *found)
{
    if (text.ptr[0] == ':') { /* ":INPUT DROP" */
        struct span name, rest = span_from(text, 1);
        if (!span_next(&rest, ' ', &name) || !span_equal(span_trim(rest), SPAN("DROP")))
            return false;
        snprintf(found->chain, sizeof found->chain, "%.*s", SPAN_ARGS(name));
        found->rule = span_of(NULL, 0);
        snprintf(found->target, sizeof found->target, "DROP");
        return true;
    }
    if (!word_after(text, " -j ", found->target, sizeof found->target) ||
        !ends_packets(found->target))
        return false;
    found->rule = text;
    return true;
}

/* Compares two savings line by line; they have the same lines unless somebody changed the rules
 * meanwhile. A rule is more telling than a policy. */
static bool compare(struct span before, struct span after, struct found *ret_found)
{
    char chain[64] = "", this_chain[64];
    size_t index = 0;
    bool any = false;
    struct span a, b;

    while (span_next(&before, '\n', &a) && span_next(&after, '\n', &b)) {
        uint64_t was, is;
        struct span was_text, text;
        if (!read_line(a, &was, &was_text) || !read_line(b, &is, &text))
            continue;
        if (!span_equal(was_text, text)) {
            if (!before.ptr || !after.ptr) /* the end of what command_run() keeps of many rules */
                break;
            return false;
        }
        if (word_after(text, "-A ", this_chain, sizeof this_chain)) {
            index = strcmp(chain, this_chain) == 0 ? index + 1 : 0;
            snprintf(chain, sizeof chain, "%s", this_chain);
        }
        struct found found = {.index = index};
        if (is - was < BURST || !is_culprit(text, &found))
            continue;
        if (found.rule.len)
            snprintf(found.chain, sizeof found.chain, "%s", chain);
        if (!any || (found.rule.len && !ret_found->rule.len))
            *ret_found = found;
        any = true;
    }
    return any;
}

/* Behind the translation of addresses the packet has the port and address that it led to. */
static void note_server(const struct firewall_path *path, const char *chain,
                        struct firewall_step *step)
{
    const char *colon = path->forwarded ? strrchr(path->forwarded, ':') : NULL;
    char own[FIREWALL_ADDRESS_TEXT];
    uint64_t port;

    if (!colon || strcmp(chain, "PREROUTING") == 0 ||
        span_to_uint(span_str(colon + 1), &port) < 0 || port > UINT16_MAX)
        return;
    bool bracket = path->forwarded[0] == '[';
    step->port = (uint16_t)port;
    snprintf(step->address, sizeof step->address, "%.*s",
             (int)(colon - path->forwarded - 2 * bracket), path->forwarded + bracket);
    firewall_address_text(path->probe.family, path->probe.destination, own);
    if (strcmp(step->address, own) == 0)
        step->address[0] = '\0';
}

static void blame(struct firewall_path *path, const char *table, const struct found *found)
{
    struct firewall_step *step = firewall_path_step(path);
    bool six = path->probe.family == AF_INET6, rejects = strcmp(found->target, "REJECT") == 0;
    char with[48];

    step->layer = FIREWALL_IPTABLES;
    step->policy = found->rule.len == 0;
    step->family = mem_string(six ? SPAN("ip6") : SPAN("ip"));
    step->table = mem_string(span_str(table));
    step->chain = mem_string(span_str(found->chain));
    step->action = rejects ? FIREWALL_REJECT : FIREWALL_DROP;
    if (!step->policy) {
        step->text = mem_string(found->rule);
        if (rejects && word_after(found->rule, "--reject-with ", with, sizeof with))
            step->target = mem_string(span_str(with));
    }
    firewall_path_blame(path);
    path->verdict = rejects ? FIREWALL_REJECTED : FIREWALL_DROPPED;
    path->witness = FIREWALL_BY_COUNTERS;
    firewall_path_reason(path, "%s in chain %s of iptables-legacy's table %s %s it",
                         step->policy ? "the policy" : "a rule", step->chain, table,
                         rejects ? "rejects" : "drops");
    note_server(path, step->chain, step);
    hint_iptables(path, step, six ? "ip6tables-legacy" : "iptables-legacy", step->chain,
                  step->policy ? 0 : found->index + 1);
}

/* The table and chain where it was lost, without the rule. */
static void blame_table(struct firewall_path *path, const struct seat *seat, const char *why)
{
    struct found found = {.target = "DROP"};

    snprintf(found.chain, sizeof found.chain, "%s", seat->chain);
    blame(path, seat->table, &found);
    firewall_path_reason(path, "iptables-legacy drops it in or below chain %s of its table %s; %s",
                         seat->chain, seat->table, why);
    hint_iptables(path, &path->steps[path->count - 1],
                  path->probe.family == AF_INET6 ? "ip6tables-legacy" : "iptables-legacy",
                  seat->chain, 1);
}

bool legacy_blame(struct prober *prober, enum prober_place place, bool exactly,
                  struct firewall_path *path)
{
    const struct seat *seat = NULL;
    struct command_result before, after;
    struct found found;

    for (size_t i = 0; i < ARRAY_SIZE(seats); i++)
        if (seats[i].place == place)
            seat = &seats[i];
    /* A table that nobody asked for yet would be made by asking: it dropped nothing. */
    if (!seat || has_table(path->probe.family, seat->table) == 0)
        return false;
    if (save(path->probe.family, seat->table, &before) < 0) {
        if (exactly)
            return false;
        blame_table(path, seat, "which rule it is, iptables-legacy-save tells only to root");
        return true;
    }
    int r = prober_burst(prober, &path->probe, BURST);
    if (r >= 0)
        r = save(path->probe.family, seat->table, &after);
    bool blamed = false;
    if (r >= 0) {
        bool told = compare(buffer_span(&before.output), buffer_span(&after.output), &found);
        blamed = told || !exactly;
        if (told)
            blame(path, seat->table, &found);
        else if (!exactly)
            blame_table(path, seat, "its counters do not tell the rule");
        command_result_finish(&after);
    }
    command_result_finish(&before);
    return blamed;
}
