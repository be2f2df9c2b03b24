/* PROXY headers of both versions, whole and in pieces, and who may send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "serve/serve.h"

static const char *address_text(struct peer_address peer)
{
    static char text[46];

    peer_address_text(peer, text);
    return text;
}

/* Reads `bytes`, which may have more behind the header, after every shorter piece asked for more.
 */
static ssize_t parse(struct span bytes, struct proxy_header *header)
{
    ssize_t whole = proxy_protocol_parse(bytes, header);

    for (size_t len = 0; whole > 0 && len < (size_t)whole; len++) {
        char *exact = malloc(len ? len : 1); /* so that ASan sees a read past it */
        struct proxy_header ignored;
        memcpy(exact, bytes.ptr, len);
        assert_int_equal(proxy_protocol_parse(span_of(exact, len), &ignored), 0);
        free(exact);
    }
    return whole;
}

static void test_proxy_v1_names_the_client(void **state)
{
    (void)state;
    struct proxy_header header = {0};

    assert_int_equal(parse(SPAN("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET"), &header),
                     45);
    assert_false(header.local);
    assert_string_equal(address_text(header.peer), "192.0.2.1");
    assert_int_equal(header.peer_port, 56324);
    assert_true(parse(SPAN("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), &header) > 0);
    assert_string_equal(address_text(header.peer), "2001:db8::1");
    assert_true(parse(SPAN("PROXY UNKNOWN\r\n"), &header) > 0);
    assert_true(header.local);
    assert_true(parse(SPAN("PROXY UNKNOWN ffff:f::f whatever 1 2\r\n"), &header) > 0);
}

static void test_proxy_v1_refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 x\r\n",
        "PROXY TCP4 192.0.2.300 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 01 443\r\n",
        "PROXY TCP4 192.0.2.1  198.51.100.1 1 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "\n",
    };
    struct proxy_header header;
    char endless[200];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(proxy_protocol_parse(span_str(wrong[i]), &header), ERR_SYNTAX);
    memset(endless, 'x', sizeof endless);
    memcpy(endless, "PROXY ", 6);
    assert_int_equal(proxy_protocol_parse(span_of(endless, 106), &header), 0);
    assert_int_equal(proxy_protocol_parse(span_of(endless, 107), &header), ERR_SYNTAX);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void test_proxy_v2_names_the_client(void **state)
{
    (void)state;
    struct proxy_header header = {0};

    assert_int_equal(
        parse(SPAN(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\xdc\4\1\xbbGET"), &header),
        28);
    assert_string_equal(address_text(header.peer), "192.0.2.1");
    assert_int_equal(header.peer_port, 56324);
    assert_int_equal(parse(SPAN(SIGNATURE "\x21\x21\0\x27\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                                          "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\5\1\xbb\4\0\0"),
                           &header),
                     55); /* with a TLV behind the addresses */
    assert_string_equal(address_text(header.peer), "2001:db8::1");
    assert_int_equal(header.peer_port, 5);
    assert_int_equal(parse(SPAN(SIGNATURE "\x20\0\0\0"), &header), 16);
    assert_true(header.local);
}

static void test_proxy_v2_refuses_what_is_none(void **state)
{
    (void)state;
    struct proxy_header header;

    assert_int_equal(proxy_protocol_parse(SPAN(SIGNATURE "\x11\x11\0\x0c"), &header), ERR_SYNTAX);
    assert_int_equal(proxy_protocol_parse(SPAN(SIGNATURE "\x22\x11\0\x0c"), &header), ERR_SYNTAX);
    assert_int_equal(proxy_protocol_parse(SPAN(SIGNATURE "\x21\x11\2\x09"), &header), ERR_SYNTAX);
    assert_int_equal(proxy_protocol_parse(SPAN(SIGNATURE "\x21\x12\0\x0c"
                                                         "123456789012"),
                                          &header),
                     ERR_SYNTAX);
    assert_int_equal(proxy_protocol_parse(SPAN(SIGNATURE "\x21\x11\0\x0b"
                                                         "12345678901"),
                                          &header),
                     ERR_SYNTAX);
    assert_int_equal(proxy_protocol_parse(SPAN("\r\n\r\n\0\r\nQUIX"), &header), ERR_SYNTAX);
}

static struct peer_address client(const char *text)
{
    struct proxy_header header = {0};
    char *line = strchr(text, ':') ? mem_format("PROXY TCP6 %s 2001:db8::2 1 2\r\n", text)
                                   : mem_format("PROXY TCP4 %s 192.0.2.9 1 2\r\n", text);

    assert_true(proxy_protocol_parse(span_str(line), &header) > 0);
    free(line);
    return header.peer;
}

static void test_proxy_trust_is_exact(void **state)
{
    (void)state;
    char texts[][24] = {"10.0.0.0/8", "192.0.2.130/25", "2001:db8:1::/48", "::1", "198.51.100.7"};
    char wrong[] = "2001:db8::/129";
    char *networks[] = {texts[0], texts[1], texts[2], texts[3], texts[4]};
    struct config_strings list = {networks, ARRAY_SIZE(networks)};
    struct proxy_trust *trust;
    size_t bad = 0;

    assert_int_equal(proxy_trust_create(&list, &trust, &bad), 0);
    assert_true(proxy_trust_allows(trust, client("10.255.0.1")));
    assert_false(proxy_trust_allows(trust, client("11.0.0.1")));
    assert_true(proxy_trust_allows(trust, client("192.0.2.200")));
    assert_false(proxy_trust_allows(trust, client("192.0.2.127")));
    assert_true(proxy_trust_allows(trust, client("2001:db8:1:ffff::1")));
    assert_false(proxy_trust_allows(trust, client("2001:db8:2::1")));
    assert_true(proxy_trust_allows(trust, client("198.51.100.7")));
    assert_false(proxy_trust_allows(trust, client("198.51.100.8")));
    assert_false(proxy_trust_allows(NULL, client("10.0.0.1")));
    proxy_trust_destroy(trust);
    networks[2] = wrong;
    assert_int_equal(proxy_trust_create(&list, &trust, &bad), ERR_SYNTAX);
    assert_int_equal(bad, 2);
    assert_null(peer_network_check("10.0.0.0/8"));
    assert_non_null(peer_network_check("10.0.0.0/33"));
    assert_non_null(peer_network_check("localhost"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy_v1_names_the_client),
        cmocka_unit_test(test_proxy_v1_refuses_what_is_none),
        cmocka_unit_test(test_proxy_v2_names_the_client),
        cmocka_unit_test(test_proxy_v2_refuses_what_is_none),
        cmocka_unit_test(test_proxy_trust_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
