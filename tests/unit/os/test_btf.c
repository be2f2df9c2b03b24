/* The kernel's description of its types, on a small one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/btf.h>

#include "base/error.h"
#include "os/btf.h"

#define NAMES "\0int\0reason\0NONE\0RPFILTER\0sk_buff\0head\0network_header"

enum {
    STRUCT = BTF_KIND_STRUCT << 24,
    UNION = BTF_KIND_UNION << 24,
    ENUM = BTF_KIND_ENUM << 24,
    INT = BTF_KIND_INT << 24,
    /* where the names begin */
    AT_INT = 1,
    AT_REASON = 5,
    AT_NONE = 12,
    AT_RPFILTER = 17,
    AT_SKB = 26,
    AT_HEAD = 34,
    AT_NETWORK = 39,
};

struct small {
    struct btf_header header;
    uint32_t types[26];
    char names[sizeof NAMES];
};

/* enum reason {NONE, RPFILTER = 7};
 * struct sk_buff {int head at 8; union {int network_header at 4} at 16}; offsets are in bits. */
static struct small make(void)
{
    static const uint32_t types[] = {
        AT_INT,    INT,        4,  32,                                    /* 1 */
        AT_REASON, ENUM | 2,   4,  AT_NONE,    0, AT_RPFILTER, 7,         /* 2 */
        0,         UNION | 1,  8,  AT_NETWORK, 1, 32,                     /* 3 */
        AT_SKB,    STRUCT | 2, 24, AT_HEAD,    1, 64,          0, 3, 128, /* 4 */
    };
    struct small small = {
        .header = {.magic = BTF_MAGIC,
                   .version = 1,
                   .hdr_len = sizeof(struct btf_header),
                   .type_len = sizeof small.types,
                   .str_off = sizeof small.types,
                   .str_len = sizeof small.names},
        .names = NAMES,
    };

    assert_int_equal(sizeof types, sizeof small.types);
    memcpy(small.types, types, sizeof types);
    return small;
}

static struct span bytes_of(const struct small *small)
{
    return span_of((const char *)small, offsetof(struct small, names) + sizeof small->names);
}

static void test_members_are_found_within_nameless_unions(void **state)
{
    struct small small = make();
    struct btf btf;
    uint32_t offset;

    assert_int_equal(btf_open(bytes_of(&small), &btf), 0);
    assert_int_equal(btf_offset(&btf, "sk_buff", "head", &offset), 0);
    assert_int_equal(offset, 8);
    assert_int_equal(btf_offset(&btf, "sk_buff", "network_header", &offset), 0);
    assert_int_equal(offset, 16 + 4);
    assert_int_equal(btf_offset(&btf, "sk_buff", "tail", &offset), ERR_NOT_FOUND);
    assert_int_equal(btf_offset(&btf, "sock", "head", &offset), ERR_NOT_FOUND);
}

static void test_an_enums_values_have_names(void **state)
{
    struct small small = make();
    struct span name;
    struct btf btf;

    assert_int_equal(btf_open(bytes_of(&small), &btf), 0);
    assert_int_equal(btf_enum_name(&btf, "reason", 7, &name), 0);
    assert_true(span_equal(name, SPAN("RPFILTER")));
    assert_int_equal(btf_enum_name(&btf, "reason", 3, &name), ERR_NOT_FOUND);
}

static void test_bytes_cut_anywhere_are_refused(void **state)
{
    struct small small = make();
    struct btf btf;
    size_t whole = bytes_of(&small).len;

    for (size_t len = 0; len < whole; len++)
        assert_int_equal(btf_open(span_of((const char *)&small, len), &btf), ERR_SYNTAX);
    small.types[1] = STRUCT | 200; /* more members than there are bytes */
    uint32_t offset;
    assert_int_equal(btf_open(bytes_of(&small), &btf), 0);
    assert_int_equal(btf_offset(&btf, "sk_buff", "head", &offset), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_are_found_within_nameless_unions),
        cmocka_unit_test(test_an_enums_values_have_names),
        cmocka_unit_test(test_bytes_cut_anywhere_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
