/* iptables-save, run. */
#include "firewall/linux/iptables_read.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "os/command.h"

enum { OUTPUT_MAX = 8 << 20 };

/* Tables that are there, named in a file a line each; reading it loads nothing. */
static bool has_legacy_tables(int version)
{
    FILE *file = fopen(version ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names", "re");
    bool any = file && fgetc(file) != EOF;

    if (file)
        fclose(file);
    return any;
}

char *iptables_save(enum iptables_flavour flavour, int version)
{
    static const char *const programs[IPTABLES_FLAVOURS][2] = {
        {"iptables-nft-save", "ip6tables-nft-save"},
        {"iptables-legacy-save", "ip6tables-legacy-save"}};
    const char *argv[] = {programs[flavour][version], NULL};
    struct command command = {.argv = argv, .timeout = 10 * NSEC_PER_SEC, .output_max = OUTPUT_MAX};
    struct command_result result;

    if (flavour == IPTABLES_LEGACY && !has_legacy_tables(version))
        return NULL;
    if (command_run(&command, &result) < 0)
        return NULL;
    char *text =
        result.exit_code == 0 && !result.cut ? mem_string(buffer_span(&result.output)) : NULL;
    command_result_finish(&result);
    return text;
}
