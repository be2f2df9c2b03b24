/* Scripts for nft. The chain comes before connection tracking, so that a banned client costs a hash
 * lookup and no entry there. A ban that exists keeps its old end when it is added again (Linux
 * before 6.12), so each is deleted and added in one transaction; the add in front makes the delete
 * work for those that are not there. */
#include "firewall/linux/ban_rules.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/buffer.h"
#include "firewall/linux/nft.h"

enum { SCRIPT_MAX = 1 << 20, SET_SIZE = 131072 };

#define TABLE "inet gardien_bans"

/** Runs a script that was built; a build that failed yields its error. */
static int run(struct buffer *script, int r, char **ret_error)
{
    *ret_error = NULL;
    if (r >= 0)
        r = buffer_append(script, "", 1);
    if (r >= 0)
        r = nft_run(script->data, NFT_PLAIN, NULL, ret_error);
    buffer_finish(script);
    return r;
}

int ban_rules_create(struct ban_rules *rules, const uint16_t *ports, size_t count, char **ret_error)
{
    struct buffer script = buffer_make(SCRIPT_MAX);

    *rules = (struct ban_rules){.made = false};
    int r = buffer_printf(
        &script,
        "add table " TABLE "\ndelete table " TABLE "\nadd table " TABLE "\n"
        "add set " TABLE " ports { type inet_service; }\n"
        "add chain " TABLE " banned\n"
        "add chain " TABLE " input { type filter hook prerouting priority -350; policy accept; }\n"
        "add rule " TABLE " input meta l4proto { tcp, udp } th dport @ports jump banned\n");
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = buffer_printf(&script, "add element " TABLE " ports { %u }\n", (unsigned)ports[i]);
    r = run(&script, r, ret_error);
    rules->made = r >= 0;
    return r;
}

static void mask_text(bool ipv6, unsigned prefix, char out[BAN_RULE_ADDRESS])
{
    unsigned char mask[16] = {0};

    for (unsigned bit = 0; bit < prefix; bit++)
        mask[bit / 8] |= (unsigned char)(0x80 >> (bit % 8));
    inet_ntop(ipv6 ? AF_INET6 : AF_INET, mask, out, BAN_RULE_ADDRESS);
}

static int add_set(struct buffer *script, const struct ban_rule *ban)
{
    const char *family = ban->ipv6 ? "ip6" : "ip";
    const char *type = ban->ipv6 ? "ipv6_addr" : "ipv4_addr";
    char mask[BAN_RULE_ADDRESS];

    mask_text(ban->ipv6, ban->prefix, mask);
    int r = buffer_printf(script, "add set " TABLE " %s_%u { type %s; flags timeout; size %d; }\n",
                          family, ban->prefix, type, SET_SIZE);
    if (r < 0)
        return r;
    if (ban->prefix == (ban->ipv6 ? 128 : 32))
        return buffer_printf(script, "add rule " TABLE " banned %s saddr @%s_%u counter drop\n",
                             family, family, ban->prefix);
    return buffer_printf(script, "add rule " TABLE " banned %s saddr & %s @%s_%u counter drop\n",
                         family, mask, family, ban->prefix);
}

static int add_change(struct buffer *script, const struct ban_rule *ban)
{
    const char *family = ban->ipv6 ? "ip6" : "ip";
    long long seconds = (ban->time + NSEC_PER_SEC - 1) / NSEC_PER_SEC;

    int r = buffer_printf(script,
                          "add element " TABLE " %s_%u { %s }\n"
                          "delete element " TABLE " %s_%u { %s }\n",
                          family, ban->prefix, ban->address, family, ban->prefix, ban->address);
    if (r < 0 || ban->lift)
        return r;
    if (ban->time == 0)
        return buffer_printf(script, "add element " TABLE " %s_%u { %s }\n", family, ban->prefix,
                             ban->address);
    return buffer_printf(script, "add element " TABLE " %s_%u { %s timeout %llds }\n", family,
                         ban->prefix, ban->address, seconds);
}

int ban_rules_change(struct ban_rules *rules, const struct ban_rule *changes, size_t count,
                     char **ret_error)
{
    struct buffer script = buffer_make(SCRIPT_MAX);
    struct ban_rules after = *rules;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < count; i++) {
        bool *set = &after.sets[changes[i].ipv6][changes[i].prefix];
        if (!*set)
            r = add_set(&script, &changes[i]);
        *set = true;
        if (r >= 0)
            r = add_change(&script, &changes[i]);
    }
    r = run(&script, r, ret_error);
    if (r >= 0)
        *rules = after;
    return r;
}

int ban_rules_remove(struct ban_rules *rules, char **ret_error)
{
    *rules = (struct ban_rules){.made = false};
    return nft_run("add table " TABLE "\ndelete table " TABLE "\n", NFT_PLAIN, NULL, ret_error);
}
