/* Gathering of the facts on Linux, read-only. */
#include <glob.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/bus.h"
#include "firewall/linux/firewalld.h"
#include "firewall/linux/iptables_read.h"
#include "firewall/linux/nft.h"
#include "firewall/plan/facts.h"
#include "firewall/plan/journal.h"
#include "firewall/trace/source.h"
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

/* One table of what iptables-save printed, as `iptables -S` would: "*filter", ":INPUT DROP [0:0]".
 * @return for free(), or NULL where it is not there */
static char *table_of(const char *saved, const char *table)
{
    scoped(mem_release) char *start = mem_format("*%s", table);
    struct buffer out = buffer_make(strlen(saved) + 1024);
    struct span rest = span_str(saved), line;
    bool inside = false, found = false;
    int r = 0;

    while (r >= 0 && span_next(&rest, '\n', &line)) {
        if (line.len && line.ptr[0] == '*')
            inside = span_equal(line, span_str(start));
        found = found || inside;
        if (!inside || line.len < 2)
            continue;
        struct span words = span_from(line, 1), name;
        if (line.ptr[0] == ':' && span_next(&words, ' ', &name))
            r = words.len && words.ptr[0] == '-'
                    ? buffer_printf(&out, "-N %.*s\n", SPAN_ARGS(name))
                    : buffer_printf(&out, "-P %.*s %.*s\n", SPAN_ARGS(name),
                                    (int)strcspn(words.ptr, " \n"), words.ptr);
        else if (line.ptr[0] == '-')
            r = buffer_printf(&out, "%.*s\n", SPAN_ARGS(line));
    }
    char *text = found && r >= 0 ? mem_string(buffer_span(&out)) : NULL;
    buffer_finish(&out);
    return text;
}

/* Tables of iptables' names may be nftables' own; iptables-nft's have its chains. */
static bool any_nft_table(const struct firewall_facts *facts, const char *family)
{
    static const char *const tables[] = {"filter", "nat", "mangle", "raw", "security"};

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        if (firewall_facts_has_table(facts, family, tables[i]))
            return true;
    return false;
}

/* Is a table of nftables iptables' own? Others may have its name, with chains of theirs. */
static bool has_builtin_chain(const struct firewall_facts *facts, const char *family,
                              const char *table)
{
    static const char *const chains[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

    for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
        if (firewall_facts_has_chain(facts, family, table, chains[i]))
            return true;
    return false;
}

static void take_xt(struct firewall_facts *facts, enum iptables_flavour flavour, int version)
{
    struct iptables_tables *xt = &facts->xt[flavour][version];
    const struct {
        const char *name;
        char **text;
    } tables[] = {{"filter", &xt->filter},
                  {"nat", &xt->nat},
                  {"mangle", &xt->mangle},
                  {"raw", &xt->raw},
                  {"security", &xt->security}};

    const char *family = version ? "ip6" : "ip";

    if (flavour == IPTABLES_NFT && !any_nft_table(facts, family))
        return;
    scoped(mem_release) char *saved = iptables_save(flavour, version);
    for (size_t i = 0; saved && i < ARRAY_SIZE(tables); i++)
        if (flavour == IPTABLES_LEGACY || has_builtin_chain(facts, family, tables[i].name))
            *tables[i].text = table_of(saved, tables[i].name);
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

/* ---- addresses ---- */

static void take_addresses(struct firewall_facts *facts)
{
    static const int families[2] = {AF_INET, AF_INET6};

    if (simulate_host_look(&facts->host) < 0)
        facts->host = (struct simulate_host){.addresses = NULL};
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct firewall_question question = {.port = 443, .protocol = IPPROTO_TCP};
        scoped(mem_release) char *why = NULL;
        if (source_choose(&question, families[i], &facts->clients[i], &why) < 0)
            facts->clients[i] = (struct firewall_probe){.family = 0};
    }
}

/* ---- whose files ---- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* `ip netns exec` gives a network of its own, and the files of all. */
static bool has_files_of_others(void)
{
    struct stat theirs;

    return stat("/proc/1/ns/net", &theirs) == 0 &&
           !is_same_file("/proc/self/ns/net", "/proc/1/ns/net") &&
           is_same_file("/etc", "/proc/1/root/etc");
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
    take_addresses(&facts);
    facts.files_of_others = has_files_of_others();
    facts.iptables_is_legacy = facts.has_iptables_legacy && iptables_is_legacy();
    for (int version = 0; facts.privileged && version < 2; version++) {
        if (facts.has_iptables)
            take_xt(&facts, IPTABLES_NFT, version);
        if (facts.has_iptables_legacy)
            take_xt(&facts, IPTABLES_LEGACY, version);
    }
    *ret_facts = facts;
}
