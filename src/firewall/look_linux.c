/* Gathering of the facts on Linux, read-only. */
#include <glob.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/bus.h"
#include "firewall/done.h"
#include "firewall/firewalld.h"
#include "firewall/look.h"
#include "firewall/nft.h"
#include "os/command.h"

/* ---- files ---- */

static bool unit_enabled(const struct look *look, const char *name)
{
    scoped(mem_release) char *pattern =
        mem_format("%s/etc/systemd/system/*.wants/%s", look->root ? look->root : "", name);
    glob_t found = {0};
    bool enabled = glob(pattern, 0, NULL, &found) == 0;

    globfree(&found);
    return enabled;
}

static bool ufw_enabled(const struct look *look)
{
    scoped(mem_release) char *text = look_file(look, "/etc/ufw/ufw.conf");
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
    const struct look nowhere = {0};
    scoped(mem_release) char *names = look_file(&nowhere, file);
    struct span rest = span_str(names), line;

    while (names && span_next(&rest, '\n', &line))
        if (span_equal(line, span_str(table)))
            return true;
    return false;
}

/* Tables of iptables' names may be nftables' own; iptables-nft's have its chains. */
static bool nft_table(const struct look *look, const char *family, const char *table)
{
    static const char *const builtin[] = {"INPUT", "FORWARD", "OUTPUT", "PREROUTING",
                                          "POSTROUTING"};

    for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
        if (look_has_chain(look, family, table, builtin[i]))
            return true;
    return false;
}

static void take_xt(struct look *look, enum look_flavour flavour, int version)
{
    static const char *const programs[LOOK_XT_FLAVOURS][2] = {
        {"iptables-nft", "ip6tables-nft"}, {"iptables-legacy", "ip6tables-legacy"}};
    static const char *const files[2] = {"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"};
    static const char *const families[2] = {"ip", "ip6"};
    struct look_xt *xt = &look->xt[flavour][version];
    char **const results[] = {&xt->filter, &xt->nat};
    static const char *const tables[] = {"filter", "nat"};

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        bool there = flavour == LOOK_XT_LEGACY ? legacy_table(files[version], tables[i])
                                               : nft_table(look, families[version], tables[i]);
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

void look_take(struct look *ret_look, const char *root, const char *state)
{
    struct look look = {.here = true, .root = mem_string(span_str(root))};

    look.done = done_load(state);
    look.privileged = nft_ruleset(&look.ruleset) >= 0;
    if (look.privileged && nft_run("list ruleset", NFT_HANDLES, &look.ruleset_text, NULL) < 0)
        look.privileged = false;
    look.unseen = !look.privileged;
    look.has_nft = command_exists("nft");
    look.has_iptables = command_exists("iptables-nft");
    look.has_iptables_legacy = command_exists("iptables-legacy");
    look.has_ufw = command_exists("ufw");
    look.has_firewalld = command_exists("firewalld");
    look.has_persistent = command_exists("netfilter-persistent");
    look.firewalld_on_bus = bus_has_owner("org.fedoraproject.FirewallD1");
    look.firewalld = look.firewalld_on_bus ? firewalld_read() : NULL;
    look.ufw_enabled = ufw_enabled(&look);
    look.nftables_unit = unit_enabled(&look, "nftables.service");
    look.persistent_unit = unit_enabled(&look, "netfilter-persistent.service");
    look.docker = if_nametoindex("docker0") != 0;
    look.iptables_is_legacy = look.has_iptables_legacy && iptables_is_legacy();
    for (int version = 0; look.privileged && version < 2; version++) {
        if (look.has_iptables)
            take_xt(&look, LOOK_XT_NFT, version);
        if (look.has_iptables_legacy)
            take_xt(&look, LOOK_XT_LEGACY, version);
    }
    *ret_look = look;
}
