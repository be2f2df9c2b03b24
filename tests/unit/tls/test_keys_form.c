/* Which bytes are what TLS signs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_keys_support.h"
#include "tls/keys_form.h"

static void test_each_form_is_recognised_whole_and_in_no_part(void **state)
{
    char room[5][CONTENT_MAX];
    const struct {
        enum keys_form form;
        struct span content;
    } cases[] = {
        {KEYS_FORM_TLS13_SERVER, tls13_content("server", 32, room[0])},
        {KEYS_FORM_TLS13_SERVER, tls13_content("server", 48, room[1])},
        {KEYS_FORM_TLS13_CLIENT, tls13_content("client", 32, room[2])},
        {KEYS_FORM_TLS12_SERVER, tls12_server_content(room[3])},
        {KEYS_FORM_TLS12_CLIENT, tls12_client_content(room[4])},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span content = cases[i].content;
        assert_int_equal(keys_form_of(content), cases[i].form);
        for (size_t cut = 0; cut < content.len; cut++) {
            if (cut != 64 + 34 + 32) /* with a hash of SHA-256 it is one again */
                assert_int_equal(keys_form_of(span_of(content.ptr, cut)), KEYS_FORM_NONE);
            assert_int_equal(keys_form_of(span_from(content, cut + 1)), KEYS_FORM_NONE);
        }
        assert_int_equal(keys_form_of(span_of(content.ptr, content.len + 1)), KEYS_FORM_NONE);
    }
}

static void test_a_changed_byte_of_the_form_is_refused(void **state)
{
    static const unsigned tls13[] = {0, 63, 64, 75, 96, 97};
    static const unsigned tls12[] = {64, 65, 66, 67};
    static const unsigned transcript[] = {0, 3, 7, 10, 17, 26, 30};
    char room[CONTENT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(tls13); i++) {
        struct span content = tls13_content("server", 32, room);
        room[tls13[i]] ^= 1;
        assert_int_equal(keys_form_of(content), KEYS_FORM_NONE);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tls12); i++) {
        struct span content = tls12_server_content(room);
        room[tls12[i]] ^= 1;
        assert_int_equal(keys_form_of(content), KEYS_FORM_NONE);
    }
    for (size_t i = 0; i < ARRAY_SIZE(transcript); i++) {
        struct span content = tls12_client_content(room);
        room[transcript[i]] ^= 1;
        if (keys_form_of(content) != KEYS_FORM_NONE)
            print_error("byte %u\n", transcript[i]);
        assert_int_equal(keys_form_of(content), KEYS_FORM_NONE);
    }
}

static void test_hashes_are_of_the_suites_sizes(void **state)
{
    static const size_t others[] = {0, 20, 31, 33, 47, 49, 64};
    char room[CONTENT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(keys_form_of(tls13_content("server", others[i], room)), KEYS_FORM_NONE);
    assert_int_equal(keys_form_of(tls13_content("nobody", 32, room)), KEYS_FORM_NONE);
}

static void test_public_keys_are_as_long_as_their_curve_says(void **state)
{
    static const struct {
        unsigned char group, length;
        bool point;
    } curves[] = {
        {23, 65, true}, {24, 97, true}, {25, 133, true}, {29, 32, false}, {30, 56, false}};
    char room[CONTENT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
        memset(room, 4, sizeof room);
        memcpy(room + 64, (char[]){3, 0, (char)curves[i].group, (char)curves[i].length}, 4);
        size_t length = 64 + 4 + curves[i].length;
        assert_int_equal(keys_form_of(span_of(room, length)), KEYS_FORM_TLS12_SERVER);
        assert_int_equal(keys_form_of(span_of(room, length - 1)), KEYS_FORM_NONE);
        room[68] = 2; /* a compressed point */
        assert_int_equal(keys_form_of(span_of(room, length)),
                         curves[i].point ? KEYS_FORM_NONE : KEYS_FORM_TLS12_SERVER);
        room[67]--;
        assert_int_equal(keys_form_of(span_of(room, length - 1)), KEYS_FORM_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_form_is_recognised_whole_and_in_no_part),
        cmocka_unit_test(test_a_changed_byte_of_the_form_is_refused),
        cmocka_unit_test(test_hashes_are_of_the_suites_sizes),
        cmocka_unit_test(test_public_keys_are_as_long_as_their_curve_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
