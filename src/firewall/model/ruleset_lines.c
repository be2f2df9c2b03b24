/* What the text of a ruleset says and its JSON does not: handles of the host that it was saved on,
 * devices, extensions of iptables. The rules themselves are nftables' to read. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/model/ruleset_internal.h"

/* ---- handles ---- */

/* The handle at the end of a rule's line in `nft -a list ruleset`; 0: the line has none. */
static uint64_t line_handle(struct span line)
{
    static const char mark[] = "# handle ";
    ptrdiff_t at = span_find_last(line, '#');
    uint64_t handle;

    if (at < 0 || !span_starts(span_from(line, (size_t)at), span_str(mark)))
        return 0;
    struct span before = span_trim(span_of(line.ptr, (size_t)at));
    if (span_ends(before, SPAN("{")) ||
        span_to_uint(span_from(line, (size_t)at + sizeof mark - 1), &handle) < 0)
        return 0;
    return handle;
}

/* Gives rules the handles of the text that was loaded, not those of the namespace. */
void ruleset_take_handles(struct ruleset *ruleset, struct span text)
{
    struct span line, rest = text;
    size_t count = 0;

    while (span_next(&rest, '\n', &line))
        count += line_handle(line) != 0;
    ruleset->handles_known = count > 0 && count == ruleset->rule_count;
    for (struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next) {
        for (struct ruleset_rule *rule = chain->rules; rule; rule = rule->next) {
            rule->handle = 0;
            while (ruleset->handles_known && !rule->handle && span_next(&text, '\n', &line))
                rule->handle = line_handle(line);
        }
    }
}

/* ---- devices ---- */

/* The words of a line, quotes and commas left out. @return how many */
static size_t words_of(struct span line, struct span *words, size_t most)
{
    struct span part;
    size_t count = 0;

    line = span_trim(line);
    while (count < most && span_next(&line, ' ', &part)) {
        while (part.len && memchr("\"{,\t", *part.ptr, 4))
            part = span_from(part, 1);
        while (part.len && memchr("\"},;", part.ptr[part.len - 1], 4))
            part.len--;
        if (part.len)
            words[count++] = part;
    }
    return count;
}

static struct ruleset_chain *chain_of(struct ruleset *ruleset, const struct span table[2],
                                      struct span name)
{
    for (struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next)
        if (span_equal(span_str(chain->name), name) &&
            span_equal(span_str(chain->table->name), table[1]) &&
            span_equal(span_str(ruleset_family_name(chain->table->family)), table[0]))
            return chain;
    return NULL;
}

/* "type filter hook ingress device "eth0" priority 0" or "... devices = { eth0, eth1 } ...". */
static void take_line_devices(struct ruleset *ruleset, struct ruleset_chain *chain,
                              const struct span *words, size_t count)
{
    size_t i = 0;

    while (i < count && !span_starts(words[i], SPAN("device")))
        i++;
    chain->devices = arena_alloc(&ruleset->arena, (count + 1) * sizeof *chain->devices);
    for (i++; chain->devices && i < count && !span_equal(words[i], SPAN("priority")); i++) {
        char *name = span_equal(words[i], SPAN("=")) ? NULL : arena_copy(&ruleset->arena, words[i]);
        if (name)
            chain->devices[chain->device_count++] = name;
    }
}

/* JSON of older nftables does not say what devices ingress chains listen on; text does. */
void ruleset_take_devices(struct ruleset *ruleset, struct span text)
{
    struct span line, words[32], table[2] = {0};
    struct ruleset_chain *chain = NULL;

    while (span_next(&text, '\n', &line)) {
        size_t count = words_of(line, words, ARRAY_SIZE(words));
        if (count >= 3 && span_equal(words[0], SPAN("table")))
            table[0] = words[1], table[1] = words[2];
        else if (count >= 2 && span_equal(words[0], SPAN("chain")))
            chain = chain_of(ruleset, table, words[1]);
        else if (count > 4 && span_equal(words[0], SPAN("type")) && chain &&
                 (chain->hook == RULESET_INGRESS || chain->hook == RULESET_EGRESS) &&
                 chain->device_count == 0)
            take_line_devices(ruleset, chain, words, count);
    }
}

/* ---- extensions of iptables ---- */

/* The extension that a text begins with: xt match icmp6, xt target "TTL".
 * @return its length, 0 for none */
static size_t extension_len(struct span text, struct span *ret_kind, struct span *ret_name)
{
    static const struct span kinds[] = {{"xt match ", 9}, {"xt target ", 10}};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!span_starts(text, kinds[i]))
            continue;
        struct span name = span_from(text, kinds[i].len);
        size_t quote = span_starts(name, SPAN("\""));
        name = span_from(name, quote);
        size_t len = 0;
        while (len < name.len && len < 32 && memchr(letters, name.ptr[len], sizeof letters - 1))
            len++;
        if (quote && (len == name.len || name.ptr[len] != '"'))
            return 0;
        *ret_kind = span_of(kinds[i].ptr + 3, kinds[i].len - 3);
        *ret_name = span_of(name.ptr, len);
        return len ? kinds[i].len + len + 2 * quote : 0;
    }
    return 0;
}

/* nftables does not read what it writes for extensions that it cannot translate. A log statement
 * may stand at any place in a rule, so one takes their place. @return for free() */
char *ruleset_replace_extensions(struct span text)
{
    struct buffer out = buffer_make(2 * RULESET_TEXT_MAX);
    struct span kind, name;
    bool quoted = false; /* within a comment or the like */

    for (size_t from = 0, at = 0; at <= text.len; at++) {
        struct span rest = span_from(text, at);
        bool word = !quoted && (at == 0 || memchr(" \t\n", text.ptr[at - 1], 3));
        if (rest.len && (*rest.ptr == '"' || *rest.ptr == '\n'))
            quoted = *rest.ptr == '"' && !quoted;
        size_t len = word && rest.len ? extension_len(rest, &kind, &name) : 0;
        if (!len && at < text.len)
            continue;
        if (buffer_append(&out, text.ptr + from, at - from) < 0 ||
            (len && buffer_printf(&out, "log prefix \"" RULESET_EXTENSION "%.*s%.*s\"",
                                  SPAN_ARGS(kind), SPAN_ARGS(name)) < 0)) {
            buffer_finish(&out);
            return mem_string(text); /* too long: nftables will complain */
        }
        from = at + len;
        at = len ? from - 1 : at;
    }
    char *replaced = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return replaced;
}

/* ---- owners ---- */

/* Is it the line of a table's flags, of which one is its owner's? @param ret_dormant  is that one
 */
static bool is_owner_line(struct span line, bool *ret_dormant)
{
    struct span flags = SPAN("flags "), rest, word;
    bool owner = false;

    line = span_trim(line);
    if (!span_starts(line, flags))
        return false;
    rest = span_from(line, flags.len);
    *ret_dormant = false;
    while (span_next(&rest, ',', &word)) {
        word = span_trim(word);
        if (span_ends(word, SPAN(";")))
            word = span_trim(span_of(word.ptr, word.len - 1));
        if (span_equal(word, SPAN("owner")) || span_equal(word, SPAN("persist")))
            owner = true;
        else if (span_equal(word, SPAN("dormant")))
            *ret_dormant = true;
        else
            return false; /* of a set */
    }
    return owner;
}

/* A table with an owner is gone once the one who loaded it is, before it could be listed; and older
 * releases know no `persist`. What the rules do is the same without. @return for free() */
char *ruleset_without_owners(struct span text)
{
    struct buffer out = buffer_make(2 * RULESET_TEXT_MAX);
    struct span rest = text, line;
    bool dormant;
    int r = 0;

    while (r >= 0 && span_next(&rest, '\n', &line)) {
        bool last = line.ptr + line.len == text.ptr + text.len;
        if (is_owner_line(line, &dormant))
            line = dormant ? SPAN("flags dormant") : SPAN("");
        r = buffer_printf(&out, "%.*s%s", SPAN_ARGS(line), last ? "" : "\n");
    }
    char *without = mem_string(r >= 0 ? buffer_span(&out) : text);
    buffer_finish(&out);
    return without;
}
