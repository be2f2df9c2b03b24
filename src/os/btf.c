/* Walks the list of types from its start each time: some milliseconds, for an answer that is wanted
 * once in a process. Source: linux/Documentation/bpf/btf.rst */
#include "os/btf.h"

#include <limits.h>
#include <linux/btf.h>

#include "base/error.h"

enum {
    NESTING_MAX = 8,
    NESTED_MAX = 256, /* nameless structs looked into, in all */
};

struct entry {
    const struct btf_type *type;
    struct span extra; /* what follows: members, values */
};

int btf_open(struct span bytes, struct btf *ret_btf)
{
    const struct btf_header *header = (const void *)bytes.ptr;

    if (bytes.len < sizeof *header || header->magic != BTF_MAGIC ||
        header->hdr_len < sizeof *header || header->hdr_len > bytes.len)
        return ERR_SYNTAX;
    struct span body = span_from(bytes, header->hdr_len);
    if (header->type_off > body.len || header->type_len > body.len - header->type_off ||
        header->str_off > body.len || header->str_len > body.len - header->str_off ||
        header->str_len == 0 || header->type_off % 4 != 0 || header->hdr_len % 4 != 0)
        return ERR_SYNTAX;
    ret_btf->types = span_of(body.ptr + header->type_off, header->type_len);
    ret_btf->strings = span_of(body.ptr + header->str_off, header->str_len);
    if (ret_btf->strings.ptr[header->str_len - 1] != '\0')
        return ERR_SYNTAX;
    return 0;
}

static const char *name_at(const struct btf *btf, uint32_t offset)
{
    return offset < btf->strings.len ? btf->strings.ptr + offset : "";
}

/* Bytes behind the common part. */
static size_t extra_size(const struct btf_type *type)
{
    size_t count = BTF_INFO_VLEN(type->info);

    switch (BTF_INFO_KIND(type->info)) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
        return 4;
    case BTF_KIND_ARRAY:
        return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        return count * sizeof(struct btf_member);
    case BTF_KIND_ENUM:
        return count * sizeof(struct btf_enum);
    case BTF_KIND_FUNC_PROTO:
        return count * sizeof(struct btf_param);
    case BTF_KIND_DATASEC:
        return count * sizeof(struct btf_var_secinfo);
    case BTF_KIND_ENUM64:
        return count * 12;
    default:
        return 0;
    }
}

/* Takes the next type off the front. @return 1, 0 at the end, ERR_SYNTAX */
static int next_entry(struct span *rest, struct entry *ret_entry)
{
    if (rest->len == 0)
        return 0;
    if (rest->len < sizeof(struct btf_type))
        return ERR_SYNTAX;
    const struct btf_type *type = (const void *)rest->ptr;
    size_t extra = extra_size(type);
    if (extra > rest->len - sizeof *type)
        return ERR_SYNTAX;
    *ret_entry = (struct entry){type, span_of(rest->ptr + sizeof *type, extra)};
    *rest = span_from(*rest, sizeof *type + extra);
    return 1;
}

/* The first type of a kind and name. */
static int find_named(const struct btf *btf, unsigned kind, const char *name,
                      struct entry *ret_entry)
{
    struct span rest = btf->types;
    int r;

    while ((r = next_entry(&rest, ret_entry)) > 0)
        if (BTF_INFO_KIND(ret_entry->type->info) == kind &&
            strcmp(name_at(btf, ret_entry->type->name_off), name) == 0)
            return 0;
    return r < 0 ? r : ERR_NOT_FOUND;
}

/* The type of a number; they count from 1. */
static int find_id(const struct btf *btf, uint32_t id, struct entry *ret_entry)
{
    struct span rest = btf->types;
    int r = 0;

    for (uint32_t i = 0; i < id; i++)
        if ((r = next_entry(&rest, ret_entry)) <= 0)
            return r < 0 ? r : ERR_NOT_FOUND;
    return id ? 0 : ERR_NOT_FOUND;
}

static uint32_t member_bits(const struct btf_type *type, const struct btf_member *member)
{
    return BTF_INFO_KFLAG(type->info) ? BTF_MEMBER_BIT_OFFSET(member->offset) : member->offset;
}

struct search {
    const struct btf *btf;
    const char *name;
    unsigned left; /* nameless structs that may still be looked into */
};

static int find_member(struct search *search, const struct entry *in, unsigned depth,
                       uint32_t *ret_bits)
{
    const struct btf_member *members = (const void *)in->extra.ptr;
    size_t count = in->extra.len / sizeof *members;

    for (size_t i = 0; i < count; i++) {
        const char *called = name_at(search->btf, members[i].name_off);
        uint32_t inner = 0;
        struct entry nested;
        if (strcmp(called, search->name) == 0) {
            *ret_bits = member_bits(in->type, &members[i]);
            return 0;
        }
        if (*called || depth == NESTING_MAX || search->left == 0)
            continue;
        search->left--;
        if (find_id(search->btf, members[i].type, &nested) < 0)
            continue;
        unsigned kind = BTF_INFO_KIND(nested.type->info);
        if ((kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION) &&
            find_member(search, &nested, depth + 1, &inner) == 0) {
            *ret_bits = member_bits(in->type, &members[i]) + inner;
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

int btf_offset(const struct btf *btf, const char *type, const char *member, uint32_t *ret_offset)
{
    struct search search = {btf, member, NESTED_MAX};
    struct entry entry;
    uint32_t bits = 0;
    int r = find_named(btf, BTF_KIND_STRUCT, type, &entry);

    if (r == 0)
        r = find_member(&search, &entry, 0, &bits);
    if (r == 0)
        *ret_offset = bits / CHAR_BIT;
    return r;
}

int btf_enum_name(const struct btf *btf, const char *type, uint32_t value, struct span *ret_name)
{
    struct entry entry;
    int r = find_named(btf, BTF_KIND_ENUM, type, &entry);

    if (r < 0)
        return r;
    const struct btf_enum *values = (const void *)entry.extra.ptr;
    for (size_t i = 0; i < entry.extra.len / sizeof *values; i++)
        if ((uint32_t)values[i].val == value) {
            *ret_name = span_str(name_at(btf, values[i].name_off));
            return 0;
        }
    return ERR_NOT_FOUND;
}
