/* The forged packet: its layout, and checksums as a receiver proves them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "firewall/trace/probe_frame.h"

static const struct probe_marks marks = {
    .ip_id = 0x1235, .flow = 0xabcde, .token = 0x01020304, .source_port = 40000};
static const unsigned char hardware[6] = {2, 1, 1, 1, 1, 1};

/* A receiver adds all words up, the checksum among them, and gets all ones (RFC 1071). */
static unsigned sum(unsigned start, const unsigned char *bytes, size_t len)
{
    unsigned total = start;

    for (size_t i = 0; i < len; i++)
        total += i % 2 ? bytes[i] : (unsigned)bytes[i] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

static struct firewall_probe probe_of(int family, int protocol)
{
    struct firewall_probe probe = {.family = family, .protocol = protocol, .port = 443};

    for (int i = 0; i < 16; i++) {
        probe.source[i] = (unsigned char)(10 + i);
        probe.destination[i] = (unsigned char)(200 + i);
    }
    return probe;
}

static void test_ipv4_tcp_is_a_syn_with_right_checksums(void **state)
{
    struct firewall_probe probe = probe_of(AF_INET, IPPROTO_TCP);
    unsigned char frame[PROBE_FRAME_MAX];
    size_t len = probe_frame_write(&probe, &marks, hardware, frame);

    assert_int_equal(len, 14 + 20 + 40);
    assert_memory_equal(frame, hardware, 6);
    assert_int_equal(frame[12] << 8 | frame[13], 0x0800);
    assert_int_equal(sum(0, frame + 14, 20), 0xffff);
    assert_int_equal(frame[18] << 8 | frame[19], 0x1235);
    assert_int_equal(frame[34] << 8 | frame[35], 40000);
    assert_int_equal(frame[36] << 8 | frame[37], 443);
    assert_memory_equal(frame + 38, "\1\2\3\4", 4);
    assert_int_equal(frame[47], 2); /* SYN and nothing else */
    unsigned pseudo = sum(6 + 40, frame + 26, 8);
    assert_int_equal(sum(pseudo, frame + 34, 40), 0xffff);
}

static void test_ipv6_udp_has_its_flow_label_and_right_checksum(void **state)
{
    struct firewall_probe probe = probe_of(AF_INET6, IPPROTO_UDP);
    unsigned char frame[PROBE_FRAME_MAX];

    probe.source_port = 5353;
    size_t len = probe_frame_write(&probe, &marks, hardware, frame);
    assert_int_equal(len, 14 + 40 + 24);
    assert_memory_equal(frame + 14, "\x60\x0a\xbc\xde", 4);
    assert_int_equal(frame[18] << 8 | frame[19], 24);
    assert_int_equal(frame[54] << 8 | frame[55], 5353);
    assert_memory_equal(frame + 62, "\1\2\3\4", 4);
    unsigned pseudo = sum(17 + 24, frame + 22, 32);
    assert_int_equal(sum(pseudo, frame + 54, 24), 0xffff);
}

static void test_a_udp_checksum_is_never_zero(void **state)
{
    struct firewall_probe probe = probe_of(AF_INET, IPPROTO_UDP);
    unsigned char frame[PROBE_FRAME_MAX];
    bool met = false;

    /* Some source port makes the sum all ones, whose complement is 0: "none" (RFC 768). */
    for (unsigned port = 1; port < 65536; port++) {
        probe.source_port = (uint16_t)port;
        probe_frame_write(&probe, &marks, hardware, frame);
        unsigned check = (unsigned)frame[40] << 8 | frame[41];
        assert_int_not_equal(check, 0);
        met = met || check == 0xffff;
    }
    assert_true(met);
}

static void test_drawn_marks_stay_in_their_bounds(void **state)
{
    for (int i = 0; i < 1000; i++) {
        struct probe_marks drawn;
        assert_int_equal(probe_marks_draw(&drawn), 0);
        assert_int_not_equal(drawn.ip_id, 0);
        assert_true(drawn.flow > 0 && drawn.flow < 1U << PROBE_FLOW_BITS);
        assert_in_range(drawn.source_port, 32768, 60999);
        assert_int_equal(drawn.token % 2, 0); /* so that token + 1 differs in the last bit alone */
        assert_true(drawn.token < UINT32_MAX - 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_tcp_is_a_syn_with_right_checksums),
        cmocka_unit_test(test_ipv6_udp_has_its_flow_label_and_right_checksum),
        cmocka_unit_test(test_a_udp_checksum_is_never_zero),
        cmocka_unit_test(test_drawn_marks_stay_in_their_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
