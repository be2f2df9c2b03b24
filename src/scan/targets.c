/* Reading and looking up hosts and networks. */
#include "scan/targets.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

enum { NETWORK_BITS_MAX = 32 /* host bits of a network: more is never asked in one go */ };

/* ---- blocks ---- */

static bool block_holds(const struct scan_block *block, const struct scan_address *address)
{
    uint64_t offset;

    return scan_address_offset(&block->first, address, &offset) && offset < block->count;
}

static void drop_block(struct scan_targets *targets, size_t at)
{
    targets->count -= targets->blocks[at].count;
    free(targets->blocks[at].name);
    targets->blocks[at] = targets->blocks[--targets->block_count];
}

/* Networks either hold each other or have nothing in common, so the larger one stays. */
static int add_block(struct scan_targets *targets, struct scan_block block)
{
    for (size_t i = 0; i < targets->block_count; i++)
        if (block_holds(&targets->blocks[i], &block.first) &&
            targets->blocks[i].count >= block.count)
            return 0;
    for (size_t i = 0; i < targets->block_count;) {
        if (block_holds(&block, &targets->blocks[i].first))
            drop_block(targets, i);
        else
            i++;
    }
    if (targets->block_count == SCAN_BLOCKS_MAX)
        return ERR_LIMIT;
    targets->blocks =
        mem_resize(targets->blocks, targets->block_count + 1, sizeof *targets->blocks);
    block.name = block.name ? mem_string(span_str(block.name)) : NULL;
    targets->blocks[targets->block_count++] = block;
    targets->count += block.count;
    return 0;
}

static int too_many(struct diags *diags)
{
    diag_hint(diags_add(diags, "more than %d targets on one command line", SCAN_BLOCKS_MAX),
              "name networks (192.0.2.0/24) in place of single addresses");
    return ERR_SYNTAX;
}

/* ---- words ---- */

static bool family_wanted(const struct scan_address *address, unsigned families)
{
    return families & (address->family == 4 ? SCAN_FAMILY_4 : SCAN_FAMILY_6);
}

static int complain_family(const char *word, const struct scan_address *address,
                           struct diags *diags)
{
    diag_hint(diags_add(diags, "%s is an IPv%d address", word, address->family), "leave out -%d",
              address->family == 4 ? 6 : 4);
    return ERR_SYNTAX;
}

/* "[2001:db8::1]" and "2001:db8::1" alike. */
static char *without_brackets(struct span text)
{
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = span_of(text.ptr + 1, text.len - 2);
    return mem_string(text);
}

static bool parse_address(struct span text, struct scan_address *ret_address)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    scoped(mem_release) char *bare = without_brackets(text);
    struct addrinfo *found;

    /* getaddrinfo() also reads "1" and "0x7f.1", which are no addresses to a reader. */
    if (!strchr(bare, ':') && strspn(bare, "0123456789.") != strlen(bare))
        return false;
    if (getaddrinfo(bare, NULL, &hints, &found) != 0)
        return false;
    bool good = scan_address_of(found->ai_addr, ret_address);
    freeaddrinfo(found);
    return good;
}

static int add_network(struct scan_targets *targets, struct span text, ptrdiff_t slash,
                       unsigned families, struct diags *diags)
{
    scoped(mem_release) char *word = mem_string(text);
    struct scan_address address, first;
    char shown[SCAN_ADDRESS_TEXT];
    uint64_t prefix;

    if (!parse_address(span_of(text.ptr, (size_t)slash), &address)) {
        diag_hint(diags_add(diags, "\"%s\" is no network", word),
                  "write it like 192.0.2.0/24 or 2001:db8::/120; a name stands without a slash");
        return ERR_SYNTAX;
    }
    if (!family_wanted(&address, families))
        return complain_family(word, &address, diags);
    unsigned bits = scan_address_bits(&address);
    struct span length = span_from(text, (size_t)slash + 1);
    if (length.len == 0 || span_to_uint(length, &prefix) < 0 || prefix > bits ||
        bits - prefix > NETWORK_BITS_MAX) {
        diag_hint(diags_add(diags, "\"/%.*s\" is no length of a network here", SPAN_ARGS(length)),
                  "from /%u to /%u", bits - NETWORK_BITS_MAX, bits);
        return ERR_SYNTAX;
    }
    first = scan_address_mask(&address, (unsigned)prefix);
    if (!scan_address_equal(&first, &address)) {
        diag_hint(diags_add(diags, "\"%s\" names a host, not a network", word),
                  "write %s/%u for the network, or %.*s for the host",
                  scan_address_text(&first, shown), (unsigned)prefix, (int)slash, text.ptr);
        return ERR_SYNTAX;
    }
    struct scan_block block = {.first = first, .count = (uint64_t)1 << (bits - prefix)};
    return add_block(targets, block) < 0 ? too_many(diags) : 0;
}

/* "10.0.0.2-5", as other scanners have it. */
static bool is_range(const char *word)
{
    size_t front = strspn(word, "0123456789.*");

    return front > 0 && (word[front] == '-' || word[front] == ',' || strchr(word, '*')) &&
           strspn(word, "0123456789.,-*") == strlen(word);
}

static int complain_lookup(const char *word, int error, struct diags *diags)
{
    if (is_range(word)) {
        diag_hint(diags_add(diags, "\"%s\" is no host, and ranges are not understood", word),
                  "write a network, such as 10.0.0.0/29, or each address as a word of its own");
        return ERR_SYNTAX;
    }
    struct diag *diag =
        diags_add(diags, "the name \"%s\" has no address: %s", word,
                  error == EAI_NONAME ? "there is no such name" : gai_strerror(error));

    if (strstr(word, "://"))
        diag_hint(diag, "give the host alone, without %.*s and what follows it",
                  (int)(strstr(word, "://") + 3 - word), word);
    else
        diag_hint(diag, error == EAI_AGAIN ? "does this machine reach a DNS server? "
                                             "/etc/resolv.conf names it"
                                           : "check its spelling, or give the address");
    return ERR_NOT_FOUND;
}

static int add_name(struct scan_targets *targets, const char *word, unsigned families,
                    struct diags *diags)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_family = families == SCAN_FAMILY_4   ? AF_INET
                                                : families == SCAN_FAMILY_6 ? AF_INET6
                                                                            : AF_UNSPEC};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(word, NULL, &hints, &found);

    if (r != 0)
        return complain_lookup(word, r, diags);
    r = 0;
    for (const struct addrinfo *at = found; at && r >= 0; at = at->ai_next) {
        struct scan_block block = {.count = 1, .name = (char *)word};
        if (scan_address_of(at->ai_addr, &block.first))
            r = add_block(targets, block);
    }
    freeaddrinfo(found);
    return r < 0 ? too_many(diags) : 0;
}

int scan_targets_add(struct scan_targets *targets, const char *word, unsigned families,
                     struct diags *diags)
{
    struct span text = span_str(word);
    ptrdiff_t slash = span_find(text, '/');
    struct scan_block block = {.count = 1};

    if (text.len == 0) {
        diag_hint(diags_add(diags, "an empty word is no host"), "gardien scan example.com");
        return ERR_SYNTAX;
    }
    if (parse_address(text, &block.first)) {
        if (!family_wanted(&block.first, families))
            return complain_family(word, &block.first, diags);
        return add_block(targets, block) < 0 ? too_many(diags) : 0;
    }
    if (slash >= 0 && !strstr(word, "://"))
        return add_network(targets, text, slash, families, diags);
    return add_name(targets, word, families, diags);
}

struct scan_address scan_targets_at(const struct scan_targets *targets, uint64_t number,
                                    const struct scan_block **ret_block)
{
    const struct scan_block *block = targets->blocks;

    for (; number >= block->count; block++)
        number -= block->count;
    *ret_block = block;
    return scan_address_add(&block->first, number);
}

void scan_targets_finish(struct scan_targets *targets)
{
    for (size_t i = 0; i < targets->block_count; i++)
        free(targets->blocks[i].name);
    free(targets->blocks);
    *targets = (struct scan_targets){0};
}
