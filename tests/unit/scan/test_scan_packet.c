/* Segments that are sent, and packets that come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "scan/answers.h"
#include "scan/packet.h"

enum { OUR_PORT = 40000 };

static const unsigned char syn_ack4[] = {
    0x45, 0,    0,    44,   0,    0,    0x40, 0,    63,   6, 0, 0, 192, 0,    2,
    1,    192,  0,    2,    2,    1,    0xbb, 0x9c, 0x40, 9, 9, 9, 9,   0x12, 0x34,
    0x56, 0x79, 0x60, 0x12, 0xff, 0xff, 0,    0,    0,    0, 2, 4, 5,   0xb4,
};

/* ICMP 3/13 from 192.0.2.254 about our segment to 198.51.100.7:443. */
static const unsigned char prohibited4[] = {
    0x45, 0, 0,   56, 0, 0, 0,   0,  64,  1,    0,    0,    192, 0,    2,    254,  192,  0,    2,
    2,    3, 13,  0,  0, 0, 0,   0,  0,   0x45, 0,    0,    44,  0,    0,    0x40, 0,    60,   6,
    0,    0, 192, 0,  2, 2, 198, 51, 100, 7,    0x9c, 0x40, 1,   0xbb, 0x12, 0x34, 0x56, 0x78,
};

static int read_packet(const void *bytes, size_t len, bool ipv6, struct scan_reply *reply)
{
    return scan_packet_read(span_of(bytes, len), ipv6, OUR_PORT, reply);
}

static void test_a_syn_has_ports_sequence_and_a_right_checksum(void **state)
{
    unsigned char b[SCAN_SYN_SIZE];
    const struct scan_syn syn = {
        .source = {4, {192, 0, 2, 2}},
        .target = {4, {192, 0, 2, 1}},
        .source_port = OUR_PORT,
        .target_port = 443,
        .sequence = 0x12345678,
    };
    uint32_t sum = 6 + SCAN_SYN_SIZE;

    scan_packet_syn(&syn, b);
    assert_int_equal(b[2] << 8 | b[3], 443);
    assert_int_equal(b[13], 2);
    assert_memory_equal(b + 4, "\x12\x34\x56\x78", 4);
    for (int i = 0; i < SCAN_SYN_SIZE; i += 2)
        sum += (uint32_t)(b[i] << 8 | b[i + 1]);
    for (int i = 0; i < 4; i += 2)
        sum += (uint32_t)(syn.source.bytes[i] << 8 | syn.source.bytes[i + 1]) +
               (uint32_t)(syn.target.bytes[i] << 8 | syn.target.bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
}

static void test_a_syn_ack_is_an_open_port(void **state)
{
    struct scan_reply reply;

    assert_int_equal(read_packet(syn_ack4, sizeof syn_ack4, false, &reply), 0);
    assert_int_equal(reply.kind, SCAN_REPLY_SYN_ACK);
    assert_int_equal(reply.port, 443);
    assert_int_equal(reply.sequence, 0x12345678);
    assert_int_equal(reply.ttl, 63);
    assert_int_equal(reply.target.bytes[3], 1);
}

static void test_a_reset_is_a_closed_port_and_data_is_nothing(void **state)
{
    unsigned char packet[sizeof syn_ack4];
    struct scan_reply reply;

    memcpy(packet, syn_ack4, sizeof packet);
    packet[33] = 0x14; /* RST ACK */
    assert_int_equal(read_packet(packet, sizeof packet, false, &reply), 0);
    assert_int_equal(reply.kind, SCAN_REPLY_RESET);
    packet[33] = 0x18; /* PSH ACK */
    assert_int_equal(read_packet(packet, sizeof packet, false, &reply), ERR_SYNTAX);
    packet[33] = 0x12;
    packet[22] = 0; /* another port of ours */
    assert_int_equal(read_packet(packet, sizeof packet, false, &reply), ERR_SYNTAX);
}

static void test_an_icmp_error_names_port_and_box(void **state)
{
    struct scan_reply reply;

    assert_int_equal(read_packet(prohibited4, sizeof prohibited4, false, &reply), 0);
    assert_int_equal(reply.kind, SCAN_REPLY_ICMP);
    assert_int_equal(reply.port, 443);
    assert_int_equal(reply.sequence, 0x12345678);
    assert_int_equal(reply.target.bytes[0], 198);
    assert_int_equal(reply.from.bytes[3], 254);
    assert_int_equal(scan_reason_of_icmp(false, reply.icmp_type, reply.icmp_code),
                     SCAN_ADMIN_PROHIBITED);
}

static void test_an_icmpv6_error_is_read_alike(void **state)
{
    unsigned char packet[40 + 8 + 40 + 8] = {0x60, 0, 0, 0, 0, 56, 58, 64};
    struct scan_reply reply;

    packet[8 + 15] = 9; /* from ::9 */
    packet[40] = 1;
    packet[41] = 4;
    unsigned char *quoted = packet + 48;
    quoted[0] = 0x60;
    quoted[6] = 6;
    quoted[24 + 15] = 7; /* to ::7 */
    memcpy(quoted + 40, "\x9c\x40\x01\xbb\x12\x34\x56\x78", 8);
    assert_int_equal(read_packet(packet, sizeof packet, true, &reply), 0);
    assert_int_equal(reply.target.bytes[15], 7);
    assert_int_equal(reply.from.bytes[15], 9);
    assert_int_equal(scan_reason_of_icmp(true, reply.icmp_type, reply.icmp_code),
                     SCAN_PORT_UNREACH);
}

static void test_every_cut_of_a_packet_is_refused(void **state)
{
    struct scan_reply reply;

    for (size_t len = 0; len < 40; len++)
        assert_int_equal(read_packet(syn_ack4, len, false, &reply), ERR_SYNTAX);
    for (size_t len = 0; len < sizeof prohibited4; len++)
        assert_int_equal(read_packet(prohibited4, len, false, &reply), ERR_SYNTAX);
}

static void test_fragments_and_long_headers_are_refused(void **state)
{
    unsigned char packet[sizeof syn_ack4];
    struct scan_reply reply;

    memcpy(packet, syn_ack4, sizeof packet);
    packet[7] = 1; /* a fragment further on */
    assert_int_equal(read_packet(packet, sizeof packet, false, &reply), ERR_SYNTAX);
    packet[7] = 0;
    packet[0] = 0x4f; /* says that its header has 60 bytes */
    assert_int_equal(read_packet(packet, sizeof packet, false, &reply), ERR_SYNTAX);
    packet[0] = 0x41;
    assert_int_equal(read_packet(packet, sizeof packet, false, &reply), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_syn_has_ports_sequence_and_a_right_checksum),
        cmocka_unit_test(test_a_syn_ack_is_an_open_port),
        cmocka_unit_test(test_a_reset_is_a_closed_port_and_data_is_nothing),
        cmocka_unit_test(test_an_icmp_error_names_port_and_box),
        cmocka_unit_test(test_an_icmpv6_error_is_read_alike),
        cmocka_unit_test(test_every_cut_of_a_packet_is_refused),
        cmocka_unit_test(test_fragments_and_long_headers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
