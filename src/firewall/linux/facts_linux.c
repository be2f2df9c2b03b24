/* Gathering of the facts on Linux, read-only. */
#include <glob.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/bus.h"
#include "firewall/linux/firewalld.h"
#include "firewall/linux/nft.h"
#include "firewall/plan/facts.h"
#include "firewall/plan/journal.h"
#include "os/command.h"

/* ---- files ---- */

static bool unit_enabled(const struct firewall_facts *facts, const char *name)
{
    scoped(mem_release) char *pattern =
        mem_format("%s/etc/systemd/system/*.wants/%s", facts->root ? facts->root : "", name);
    glob_t found = {0};
    bool enabled = glob(pattern, 0, NULL, &found) == 0;

    globfree(&found);
    return enabled;
}

static bool ufw_enabled(const struct firewall_facts *facts)
{
    scoped(mem_release) char *text = firewall_facts_file(facts, "/etc/ufw/ufw.conf");
    struct span rest = span_str(text), line;
    bool enabled = false;

    while (text && span_next(&rest, '\n', &line)) {
        line = span_trim(line);
        if (span_starts(line, SPAN("ENABLED=")))
            enabled = span_equal_nocase(span_from(line, 8), SPAN("yes"));
    }
    return enabled;
}

/* ---- programs of the iptables family ---- */

/* @return what it printed for free(), or NULL when it failed */
static char *ask(const char *program, const char *table, bool *ret_cut)
{
    const char *argv[] = {program, "-w", "5", "-t", table, "-S", NULL};
    struct command command = {.argv = argv, .timeout = 10 * NSEC_PER_SEC};
    struct command_result result;
    char *text = NULL;

    if (command_run(&command, &result) < 0)
        return NULL;
    if (result.exit_code == 0)
        text = mem_string(buffer_span(&result.output));
    *ret_cut = *ret_cut || result.cut;
    command_result_finish(&result);
    return text;
}

/* Legacy tables that are there, named in a file a line each; reading it loads nothing. */
static bool legacy_table(const char *file, const char *table)
{
    const struct firewall_facts nowhere = {0};
    scoped(mem_release) char *names = firewall_facts_file(&nowhere, file);
    struct span rest = span_str(names), line;

    while (names && span_next(&rest, '\n', &line))
        if (span_equal(line, span_str(table)))
            return true;
    return false;
}

/* Tables of iptables' names may be nftables' own; iptables-nft's have its chains. */
static bool nft_table(const struct firewall_facts *facts, const char *family, const char *table)
{
    static const char *const builtin[] = {"INPUT", "FORWARD", "OUTPUT", "PREROUTING",
                                          "POSTROUTING"};

    for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
        if (firewall_facts_has_chain(facts, family, table, builtin[i]))
            return true;
    return false;
}

static void take_xt(struct firewall_facts *facts, enum iptables_flavour flavour, int version)
{
    static const char *const programs[IPTABLES_FLAVOURS][2] = {
        {"iptables-nft", "ip6tables-nft"}, {"iptables-legacy", "ip6tables-legacy"}};
    static const char *const files[2] = {"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"};
    static const char *const families[2] = {"ip", "ip6"};
    struct iptables_tables *xt = &facts->xt[flavour][version];
    char **const results[] = {&xt->filter, &xt->nat};
    static const char *const tables[] = {"filter", "nat"};

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        bool there = flavour == IPTABLES_LEGACY ? legacy_table(files[version], tables[i])
                                                : nft_table(facts, families[version], tables[i]);
        if (there)
            *results[i] = ask(programs[flavour][version], tables[i], &xt->cut);
    }
}

static bool iptables_is_legacy(void)
{
    const char *argv[] = {"iptables", "-V", NULL};
    struct command command = {.argv = argv, .timeout = 10 * NSEC_PER_SEC};
    struct command_result result;

    if (command_run(&command, &result) < 0)
        return false;
    scoped(mem_release) char *text = mem_string(buffer_span(&result.output));
    command_result_finish(&result);
    return strstr(text, "(legacy)") != NULL;
}

/* ---- all of it ---- */

void firewall_facts_take(struct firewall_facts *ret_facts, const char *root, const char *state)
{
    struct firewall_facts facts = {.here = true, .root = mem_string(span_str(root))};

    facts.done = journal_load(state);
    facts.privileged = nft_ruleset(&facts.ruleset) >= 0;
    if (facts.privileged && nft_run("list ruleset", NFT_HANDLES, &facts.ruleset_text, NULL) < 0)
        facts.privileged = false;
    facts.unseen = !facts.privileged;
    facts.has_nft = command_exists("nft");
    facts.has_iptables = command_exists("iptables-nft");
    facts.has_iptables_legacy = command_exists("iptables-legacy");
    facts.has_ufw = command_exists("ufw");
    facts.has_firewalld = command_exists("firewalld");
    facts.has_persistent = command_exists("netfilter-persistent");
    facts.firewalld_on_bus = bus_has_owner("org.fedoraproject.FirewallD1");
    facts.firewalld = facts.firewalld_on_bus ? firewalld_read() : NULL;
    facts.ufw_enabled = ufw_enabled(&facts);
    facts.nftables_unit = unit_enabled(&facts, "nftables.service");
    facts.persistent_unit = unit_enabled(&facts, "netfilter-persistent.service");
    facts.docker = if_nametoindex("docker0") != 0;
    facts.iptables_is_legacy = facts.has_iptables_legacy && iptables_is_legacy();
    for (int version = 0; facts.privileged && version < 2; version++) {
        if (facts.has_iptables)
            take_xt(&facts, IPTABLES_NFT, version);
        if (facts.has_iptables_legacy)
            take_xt(&facts, IPTABLES_LEGACY, version);
    }
    *ret_facts = facts;
}
