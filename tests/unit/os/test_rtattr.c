/* Attributes of netlink, those of a message that ends early or lies about lengths among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/netlink.h>

#include "os/rtattr.h"

struct message {
    struct rtattr first;
    unsigned char one[4]; /* one byte of value and its padding */
    struct rtattr second;
    unsigned char five[8];
};

static const struct message sample = {
    .first = {.rta_len = 5, .rta_type = 1},
    .one = {7},
    .second = {.rta_len = 9, .rta_type = 2 | NLA_F_NESTED},
    .five = "abcde",
};

/* A copy that ends where it does, so that ASan sees a byte behind it that is read. */
static int type_found(const struct message *message, size_t len, unsigned type)
{
    void *copy = malloc(len ? len : 1);

    memcpy(copy, message, len);
    const struct rtattr *found = rtattr_find(copy, len, type);
    int which = found ? found->rta_type & NLA_TYPE_MASK : -1;
    if (found)
        assert_true((const char *)found + found->rta_len <= (const char *)copy + len);
    free(copy);
    return which;
}

static void test_attributes_are_found_whatever_their_flags(void **state)
{
    assert_int_equal(type_found(&sample, sizeof sample, 1), 1);
    assert_int_equal(type_found(&sample, sizeof sample, 2), 2);
    assert_int_equal(type_found(&sample, sizeof sample, 3), -1);
}

/* 5 bytes are left for the last attribute, and its padding would end at 8. */
static void test_the_last_may_lack_its_padding(void **state)
{
    assert_int_equal(type_found(&sample, 5, 1), 1);
    assert_int_equal(type_found(&sample, 5, 2), -1);
    assert_int_equal(type_found(&sample, 8 + 9, 2), 2);
    assert_int_equal(type_found(&sample, 8 + 9, 3), -1);
}

static void test_no_length_leads_outside(void **state)
{
    for (size_t len = 0; len <= sizeof sample; len++) {
        for (unsigned claimed = 0; claimed < 32; claimed++) {
            struct message message = sample;
            message.first.rta_len = (unsigned short)claimed;
            (void)type_found(&message, len, 3);
        }
        assert_int_equal(type_found(&sample, len, 1), len >= 5 ? 1 : -1);
        assert_int_equal(type_found(&sample, len, 2), len >= 8 + 9 ? 2 : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes_are_found_whatever_their_flags),
        cmocka_unit_test(test_the_last_may_lack_its_padding),
        cmocka_unit_test(test_no_length_leads_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
