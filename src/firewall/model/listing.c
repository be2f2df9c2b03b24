/* nft's JSON names no rule the way people write it, so its text is read. */
#include "firewall/model/listing.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/nft.h"

enum { RULES_MAX = 100000, RULE_MAX = 65536 };

/* "filter", "dstnat + 5", "-300": nft's names for priorities. Source: nft(8), Chains */
static int read_priority(const char *text)
{
    static const struct {
        const char *name;
        int priority;
    } names[] = {{"raw", -300}, {"mangle", -150}, {"dstnat", -100},
                 {"filter", 0}, {"security", 50}, {"srcnat", 100}};
    char word[16] = "", sign = '+';
    int base = 0, offset = 0;

    if (sscanf(text, "%d", &base) == 1)
        return base;
    if (sscanf(text, "%15[a-z] %c %d", word, &sign, &offset) < 1)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(word, names[i].name) == 0)
            base = names[i].priority;
    return sign == '-' ? base - offset : base + offset;
}

/* "type filter hook input priority filter; policy drop;" */
static bool read_hook(struct span line, struct listing *listing)
{
    scoped(mem_release) char *text = mem_string(line);
    char hook[32];
    const char *at = strstr(text, " hook "), *priority = strstr(text, " priority ");

    if (strncmp(text, "type ", 5) != 0 || !at || !priority || listing->hook ||
        sscanf(at, " hook %31[a-z]", hook) != 1)
        return false;
    listing->hook = mem_string(span_str(hook));
    listing->priority = read_priority(priority + 10);
    return true;
}

/* Where " # handle N" begins at a line's end. @return -1 for a line without */
static ptrdiff_t find_handle(struct span line, uint64_t *ret_handle)
{
    ptrdiff_t hash = span_find_last(line, '#');

    if (hash < 0)
        return -1;
    struct span note = span_from(line, (size_t)hash);
    if (!span_starts(note, SPAN("# handle ")) ||
        span_to_uint(span_from(note, sizeof "# handle " - 1), ret_handle) < 0)
        return -1;
    return hash;
}

/* What a counter has counted says nothing about the rule: "counter packets 3 bytes 180" becomes
 * "counter". */
static char *without_counts(struct span rule)
{
    char *text = mem_string(rule);
    char *at = text, *found;

    while ((found = strstr(at, "counter packets "))) {
        int taken = 0;
        at = found + sizeof "counter" - 1;
        if (sscanf(at, " packets %*u bytes %*u%n", &taken) == 0 && taken > 0)
            memmove(at, at + taken, strlen(at + taken) + 1);
    }
    return text;
}

static void add_rule(struct listing *listing, struct span text, uint64_t handle)
{
    if (listing->count == RULES_MAX)
        return;
    if ((listing->count & (listing->count - 1)) == 0) /* full at each power of two */
        listing->rules = mem_resize(listing->rules, listing->count ? listing->count * 2 : 1,
                                    sizeof *listing->rules);
    listing->rules[listing->count++] =
        (struct listing_rule){handle, without_counts(span_trim(text))};
}

void listing_read(struct span printed, struct listing *ret_listing)
{
    struct listing listing = {0};
    struct buffer rule = buffer_make(RULE_MAX);
    struct span line;
    bool inside = false;

    while (span_next(&printed, '\n', &line)) {
        uint64_t handle = 0;
        line = span_trim(line);
        if (!inside) {
            inside = span_starts(line, SPAN("chain "));
            continue;
        }
        if (read_hook(line, &listing))
            continue;
        if (rule.len == 0 && span_equal(line, SPAN("}")))
            break;
        ptrdiff_t end = find_handle(line, &handle);
        struct span part = end < 0 ? line : span_trim(span_of(line.ptr, (size_t)end));
        if ((rule.len && buffer_append(&rule, " ", 1) < 0) || buffer_add(&rule, part) < 0)
            buffer_consume(&rule, rule.len); /* a set of that size says nothing to people */
        if (end < 0)
            continue;
        add_rule(&listing, buffer_span(&rule), handle);
        buffer_consume(&rule, rule.len);
    }
    buffer_finish(&rule);
    *ret_listing = listing;
}

/* Names come from the kernel, where any bytes may stand; nft's language takes these. */
static bool is_plain(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("_./-", *name))
            return false;
    return true;
}

int listing_of(const char *family, const char *table, const char *chain,
               struct listing *ret_listing)
{
    scoped(mem_release) char *printed = NULL;
    scoped(mem_release) char *command = mem_format("list chain %s %s %s", family, table, chain);

    if (!is_plain(table) || !is_plain(chain))
        return ERR_SYNTAX;
    int r = nft_run(command, NFT_HANDLES, &printed, NULL);
    if (r == 0)
        listing_read(span_str(printed), ret_listing);
    return r;
}

/* The text behind a line "table ip filter {" or "chain INPUT {", up to the line that closes it. */
static struct span find_block(struct span text, const char *head, const char *end)
{
    struct span line, rest = text;
    const char *start = NULL;

    while (span_next(&rest, '\n', &line)) {
        if (!start && span_starts(line, span_str(head)))
            start = line.ptr;
        else if (start && span_equal(line, span_str(end)))
            return span_of(start, (size_t)(line.ptr - start));
    }
    return span_of("", 0);
}

struct span listing_find(struct span ruleset, const char *family, const char *table,
                         const char *chain)
{
    scoped(mem_release) char *outer = mem_format("table %s %s {", family, table);
    scoped(mem_release) char *inner = mem_format("\tchain %s {", chain);

    return find_block(find_block(ruleset, outer, "}"), inner, "\t}");
}

const char *listing_rule_text(const struct listing *listing, uint64_t handle, size_t *ret_index)
{
    for (size_t i = 0; i < listing->count; i++)
        if (listing->rules[i].handle == handle) {
            if (ret_index)
                *ret_index = i;
            return listing->rules[i].text;
        }
    return NULL;
}

void listing_finish(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->rules[i].text);
    free(listing->rules);
    free(listing->hook);
    *listing = (struct listing){0};
}
