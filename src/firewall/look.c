/* Gathering of the facts, read-only. */
#include "firewall/look.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/bus.h"
#include "firewall/done.h"
#include "firewall/firewalld.h"
#include "firewall/nft.h"
#include "os/command.h"

enum { FILE_MAX = 1024 * 1024 };

/* ---- files ---- */

static char *rooted(const struct look *look, const char *path)
{
    return mem_format("%s%s", look->root ? look->root : "", path);
}

char *look_file(const struct look *look, const char *path)
{
    scoped(mem_release) char *full = rooted(look, path);
    struct buffer text = buffer_make(FILE_MAX);
    char bytes[4096];
    ssize_t n = -1;
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
        if (buffer_append(&text, bytes, (size_t)n) < 0) {
            n = -1;
            break;
        }
    if (fd >= 0)
        close(fd);
    char *result = n == 0 ? mem_string(buffer_span(&text)) : NULL;
    buffer_finish(&text);
    return result;
}

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

void look_finish(struct look *look)
{
    for (int flavour = 0; flavour < LOOK_XT_FLAVOURS; flavour++)
        for (int version = 0; version < 2; version++) {
            free(look->xt[flavour][version].filter);
            free(look->xt[flavour][version].nat);
        }
    json_decref(look->done);
    json_decref(look->firewalld);
    json_decref(look->ruleset);
    free(look->ruleset_text);
    free(look->root);
    *look = (struct look){0};
}

static bool is(const json_t *object, const char *key, const char *wanted)
{
    const char *value = json_string_value(json_object_get(object, key));

    return !wanted || (value && strcmp(value, wanted) == 0);
}

bool look_has_table(const struct look *look, const char *family, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(look->ruleset, i, item)
    {
        const json_t *table = json_object_get(item, "table");
        if (table && is(table, "family", family) && is(table, "name", name))
            return true;
    }
    return false;
}

bool look_has_chain(const struct look *look, const char *family, const char *table,
                    const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(look->ruleset, i, item)
    {
        const json_t *chain = json_object_get(item, "chain");
        if (chain && is(chain, "family", family) && is(chain, "table", table) &&
            is(chain, "name", name))
            return true;
    }
    return false;
}

bool look_has_firewalld(const struct look *look, enum look_flavour flavour)
{
    for (int version = 0; version < 2; version++) {
        const char *filter = look->xt[flavour][version].filter;
        /* Its chains' names up to version 1.3, and from 2 on. */
        if (look->firewalld_on_bus && filter &&
            (strstr(filter, "-N INPUT_ZONES\n") || strstr(filter, "-N INPUT_POLICIES\n")))
            return true;
    }
    return false;
}
