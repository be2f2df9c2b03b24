/* HPACK for answers. What every answer of a connection says alike costs a byte from the second time
 * on: each field is first looked for where it stood in the answer before. Values that belong to one
 * file enter the table when they are sent for the second time. Literals are sent as they are:
 * Huffman's code would save some bytes of a connection's first answers only. */
#include "http/h2/hpack.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
    STATIC_ENTRIES = 61,
    OVERHEAD = 32,        /* of an entry, RFC 7541 section 4.1 */
    LARGEST_ENTRY = 1024, /* a larger one would push out too much */
    INDEXED = 0x80,       /* section 6 */
    INCREMENTAL = 0x40,
    SIZE_UPDATE = 0x20,
};

struct h2_hpack_entry {
    uint32_t name_len;
    uint32_t value_len;
    char bytes[]; /**< the name, then the value */
};

/** What is known of a name. */
enum habit {
    SHARED, /**< most answers say the same */
    OF_ONE, /**< belongs to one resource: worth the table when it comes again */
    NEVER,  /**< not to be kept beside others' fields */
};

struct known {
    struct span name;
    uint8_t index; /**< in the static table (RFC 7541 appendix A) */
    uint8_t habit;
};

static const struct known names[] = {
    {{"accept-ranges", 13}, 18, SHARED},
    {{"access-control-allow-origin", 27}, 20, SHARED},
    {{"age", 3}, 21, OF_ONE},
    {{"allow", 5}, 22, SHARED},
    {{"cache-control", 13}, 24, SHARED},
    {{"content-disposition", 19}, 25, OF_ONE},
    {{"content-encoding", 16}, 26, SHARED},
    {{"content-language", 16}, 27, SHARED},
    {{"content-length", 14}, 28, OF_ONE},
    {{"content-location", 16}, 29, OF_ONE},
    {{"content-range", 13}, 30, OF_ONE},
    {{"content-type", 12}, 31, SHARED},
    {{"date", 4}, 33, SHARED},
    {{"etag", 4}, 34, OF_ONE},
    {{"expires", 7}, 36, OF_ONE},
    {{"last-modified", 13}, 44, OF_ONE},
    {{"link", 4}, 45, OF_ONE},
    {{"location", 8}, 46, OF_ONE},
    {{"proxy-authenticate", 18}, 48, NEVER},
    {{"refresh", 7}, 52, OF_ONE},
    {{"retry-after", 11}, 53, OF_ONE},
    {{"server", 6}, 54, SHARED},
    {{"set-cookie", 10}, 55, NEVER},
    {{"strict-transport-security", 25}, 56, SHARED},
    {{"transfer-encoding", 17}, 57, NEVER},
    {{"vary", 4}, 59, SHARED},
    {{"via", 3}, 60, SHARED},
    {{"www-authenticate", 16}, 61, NEVER},
    {{":status", 7}, 8, NEVER},
};

static const struct known unknown = {{"", 0}, 0, SHARED};

void h2_hpack_init(struct h2_hpack *hpack)
{
    hpack->made = hpack->count = hpack->size = 0;
    hpack->max = hpack->min = H2_HPACK_TABLE;
    hpack->resized = false;
    hpack->place = 0;
    memset(hpack->hints, 0, sizeof hpack->hints);
    memset(hpack->seen, 0, sizeof hpack->seen);
}

/* ---- the table ---- */

static struct h2_hpack_entry *entry_at(const struct h2_hpack *hpack, uint32_t number)
{
    return hpack->ring[number % H2_HPACK_ENTRIES];
}

static void evict(struct h2_hpack *hpack, uint32_t size)
{
    while (hpack->size > size) {
        struct h2_hpack_entry *oldest = entry_at(hpack, hpack->made - hpack->count);
        hpack->size -= OVERHEAD + oldest->name_len + oldest->value_len;
        hpack->count--;
        free(oldest);
    }
}

void h2_hpack_finish(struct h2_hpack *hpack)
{
    evict(hpack, 0);
}

void h2_hpack_resize(struct h2_hpack *hpack, uint32_t size)
{
    size = size < H2_HPACK_TABLE ? size : H2_HPACK_TABLE;
    if (size == hpack->max)
        return;
    hpack->max = size;
    hpack->min = size < hpack->min ? size : hpack->min;
    hpack->resized = true;
    evict(hpack, size);
}

static bool is_entry(const struct h2_hpack *hpack, uint32_t number, struct span name,
                     struct span value)
{
    const struct h2_hpack_entry *entry = entry_at(hpack, number);

    return span_equal(span_of(entry->bytes, entry->name_len), name) &&
           span_equal(span_of(entry->bytes + name.len, entry->value_len), value);
}

/** Eight bytes a step; nothing hangs on its quality but speed. */
static uint32_t hash_of(struct span s, uint64_t hash)
{
    const uint64_t factor = 0x9e3779b97f4a7c15;
    uint64_t word;

    for (; s.len >= sizeof word; s.ptr += sizeof word, s.len -= sizeof word) {
        memcpy(&word, s.ptr, sizeof word);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    }
    word = 0;
    if (s.len)
        memcpy(&word, s.ptr, s.len);
    hash = (hash ^ word ^ (uint64_t)s.len << 56) * factor;
    return (uint32_t)(hash >> 32);
}

/** @return the number of the entry, or -1 */
static int64_t find(const struct h2_hpack *hpack, uint32_t hash, struct span name,
                    struct span value)
{
    for (uint32_t i = 1; i <= hpack->count; i++) {
        uint32_t number = hpack->made - i;
        if (hpack->hashes[number % H2_HPACK_ENTRIES] == hash &&
            is_entry(hpack, number, name, value))
            return number;
    }
    return -1;
}

static void insert(struct h2_hpack *hpack, uint32_t hash, struct span name, struct span value)
{
    uint32_t size = (uint32_t)(OVERHEAD + name.len + value.len);
    struct h2_hpack_entry *entry = mem_alloc(sizeof *entry + name.len + value.len);

    evict(hpack, hpack->max - size);
    entry->name_len = (uint32_t)name.len;
    entry->value_len = (uint32_t)value.len;
    memcpy(entry->bytes, name.ptr, name.len);
    if (value.len)
        memcpy(entry->bytes + name.len, value.ptr, value.len);
    hpack->ring[hpack->made % H2_HPACK_ENTRIES] = entry;
    hpack->hashes[hpack->made % H2_HPACK_ENTRIES] = hash;
    hpack->made++;
    hpack->count++;
    hpack->size += size;
}

/* ---- bytes ---- */

/** An integer of section 5.1 behind the bits of `first`, with a prefix of `bits`. */
static char *put_integer(char *out, unsigned first, unsigned bits, size_t number)
{
    size_t full = (1U << bits) - 1;

    if (number < full) {
        *out++ = (char)(first | number);
        return out;
    }
    *out++ = (char)(first | full);
    for (number -= full; number >= 0x80; number >>= 7)
        *out++ = (char)(0x80 | (number & 0x7f));
    *out++ = (char)number;
    return out;
}

static char *put_string(char *out, struct span s)
{
    out = put_integer(out, 0, 7, s.len);
    if (s.len)
        memcpy(out, s.ptr, s.len);
    return out + s.len;
}

/** A field in full (sections 6.2.1 and 6.2.2). */
static char *put_literal(char *out, bool keep, const struct known *known, struct span name,
                         struct span value)
{
    out = keep ? put_integer(out, INCREMENTAL, 6, known->index)
               : put_integer(out, 0, 4, known->index);
    if (known->index == 0)
        out = put_string(out, name);
    return put_string(out, value);
}

static const struct known *look_up(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].name.len == name.len && memcmp(names[i].name.ptr, name.ptr, name.len) == 0)
            return &names[i];
    return &unknown;
}

char *h2_hpack_begin(struct h2_hpack *hpack, char *out)
{
    hpack->place = 0;
    if (likely(!hpack->resized))
        return out;
    if (hpack->min < hpack->max) /* section 4.2: the smallest that it was, and what it is */
        out = put_integer(out, SIZE_UPDATE, 5, hpack->min);
    out = put_integer(out, SIZE_UPDATE, 5, hpack->max);
    hpack->min = hpack->max;
    hpack->resized = false;
    return out;
}

/** Whether the same was sent as a literal lately; it has been from now on. */
static bool was_seen(struct h2_hpack *hpack, uint32_t hash)
{
    uint32_t *set = hpack->seen[hash % H2_HPACK_SETS];

    for (unsigned i = 0; i < H2_HPACK_WAYS; i++)
        if (set[i] == hash)
            return true;
    memmove(set + 1, set, (H2_HPACK_WAYS - 1) * sizeof *set);
    set[0] = hash;
    return false;
}

/** Whether a literal is worth an entry. */
static bool worth_keeping(struct h2_hpack *hpack, const struct known *known, uint32_t hash,
                          size_t len)
{
    if (known->habit == NEVER || len > LARGEST_ENTRY || len + OVERHEAD > hpack->max)
        return false;
    return known->habit == SHARED || was_seen(hpack, hash);
}

/** The way of a field that does not stand where it stood in the answer before. */
static char *put_searched(struct h2_hpack *hpack, char *out, struct span name, struct span value)
{
    const struct known *known = look_up(name);
    uint32_t hash = hash_of(value, hash_of(name, 0));
    int64_t number = known->habit == NEVER ? -1 : find(hpack, hash, name, value);
    uint32_t hint = 0;

    if (number >= 0) {
        hint = (uint32_t)number + 1;
        out = put_integer(out, INDEXED, 7, STATIC_ENTRIES + hpack->made - (uint32_t)number);
    } else {
        bool keep = worth_keeping(hpack, known, hash, name.len + value.len);
        out = put_literal(out, keep, known, name, value);
        if (keep) {
            insert(hpack, hash, name, value);
            hint = hpack->made;
        }
    }
    if (hpack->place < H2_HPACK_HINTS)
        hpack->hints[hpack->place] = hint;
    hpack->place++;
    return out;
}

char *h2_hpack_put(struct h2_hpack *hpack, char *out, struct span name, struct span value)
{
    if (likely(hpack->place < H2_HPACK_HINTS && hpack->hints[hpack->place])) {
        uint32_t back = hpack->made - (hpack->hints[hpack->place] - 1); /* 1: the newest */
        if (likely(back <= hpack->count && is_entry(hpack, hpack->made - back, name, value))) {
            hpack->place++;
            return put_integer(out, INDEXED, 7, STATIC_ENTRIES + back);
        }
    }
    return put_searched(hpack, out, name, value);
}

char *h2_hpack_put_status(struct h2_hpack *hpack, char *out, int status)
{
    static const int whole[] = {200, 204, 206, 304, 400, 404, 500}; /* entries 8 to 14 */
    char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                      (char)('0' + status % 10)};

    for (unsigned i = 0; i < ARRAY_SIZE(whole); i++) {
        if (whole[i] == status) {
            *out++ = (char)(INDEXED | (8 + i));
            return out;
        }
    }
    return put_literal(out, false, look_up(SPAN(":status")), SPAN(":status"), span_of(digits, 3));
}
