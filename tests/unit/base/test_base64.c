/* Base64 both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/error.h"

/* RFC 4648 section 10, and what tells the alphabets apart. */
static const struct {
    const char *bytes, *padded, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void test_base64_keeps_the_vectors_of_the_rfc(void **state)
{
    char out[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        struct span bytes = span_str(vectors[i].bytes), url = span_str(vectors[i].url);
        assert_int_equal(base64url_size(bytes.len), url.len);
        assert_int_equal(base64url_encode(bytes, out), url.len);
        assert_memory_equal(out, url.ptr, url.len);
        assert_int_equal(base64_decode(url, out, sizeof out), bytes.len);
        assert_memory_equal(out, bytes.ptr, bytes.len);
        assert_int_equal(base64_decode(span_str(vectors[i].padded), out, sizeof out), bytes.len);
        assert_memory_equal(out, bytes.ptr, bytes.len);
        if (bytes.len)
            assert_int_equal(base64_decode(url, out, bytes.len - 1), ERR_LIMIT);
    }
}

static void test_base64_refuses_everything_else(void **state)
{
    static const char *const refused[] = {
        "A",    "AAAAA", "Zg=",  "Zg===", "=",        "==",    "Zm9=v",
        "Zh==", "Zm9",   "Z g=", "Zg\n",  "Zg==Zg==", "Zm9v=", "Zm9v===="};
    char out[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(base64_decode(span_str(refused[i]), out, sizeof out), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_keeps_the_vectors_of_the_rfc),
        cmocka_unit_test(test_base64_refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
