/* What the kernel says about its own types (BTF, /sys/kernel/btf/vmlinux): where a member lies in a
 * struct, and how an enum's values are called. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

/** All bytes of the description, checked for bounds by btf_open(). */
struct btf {
    struct span types, strings;
};

/** @param bytes  aligned for uint32_t; outlive the result
 *  @return 0, or ERR_SYNTAX for what is no BTF of this machine's byte order */
must_check int btf_open(struct span bytes, struct btf *ret_btf);
/** Offset in bytes of a member, also within the struct's nameless structs and unions.
 *  @return 0; ERR_NOT_FOUND; ERR_SYNTAX */
must_check int btf_offset(const struct btf *btf, const char *type, const char *member,
                          uint32_t *ret_offset);
/** The name of an enum's value. @return 0; ERR_NOT_FOUND; ERR_SYNTAX */
must_check int btf_enum_name(const struct btf *btf, const char *type, uint32_t value,
                             struct span *ret_name);
