/* The kernel's trace messages: what is read, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/error.h"
#include "firewall/trace/trace_message.h"

struct message {
    _Alignas(struct nlmsghdr) char bytes[512];
    size_t len;
};

static struct message message_start(uint16_t type)
{
    struct message message = {.len = NLMSG_HDRLEN + 4};
    struct nlmsghdr header = {.nlmsg_type = type};

    memcpy(message.bytes, &header, sizeof header);
    message.bytes[NLMSG_HDRLEN] = 1; /* NFPROTO_INET */
    return message;
}

static void add(struct message *message, uint16_t type, const void *value, size_t len)
{
    struct nlattr attribute = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + len)};

    memcpy(message->bytes + message->len, &attribute, sizeof attribute);
    memcpy(message->bytes + message->len + NLA_HDRLEN, value, len);
    message->len += NLA_ALIGN(NLA_HDRLEN + len);
}

static void add32(struct message *message, uint16_t type, uint32_t value)
{
    uint32_t net = htonl(value);

    add(message, type, &net, sizeof net);
}

static struct span message_end(struct message *message)
{
    uint32_t len = (uint32_t)message->len;

    memcpy(message->bytes, &len, sizeof len); /* nlmsg_len */
    return span_of(message->bytes, message->len);
}

static const uint16_t trace = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE;

static void test_a_rule_with_a_jump_is_read(void **state)
{
    struct message message = message_start(trace), verdict = {.len = 0};
    struct trace_message read;

    add32(&verdict, NFTA_VERDICT_CODE, (uint32_t)NFT_JUMP);
    add(&verdict, NFTA_VERDICT_CHAIN, "web", 4);
    add32(&message, NFTA_TRACE_ID, 77);
    add(&message, NFTA_TRACE_TABLE, "filter", 7);
    add(&message, NFTA_TRACE_CHAIN, "input", 6);
    add(&message, NFTA_TRACE_RULE_HANDLE, "\0\0\0\0\0\0\1\2", 8);
    add32(&message, NFTA_TRACE_TYPE, NFT_TRACETYPE_RULE);
    add(&message, NFTA_TRACE_VERDICT | NLA_F_NESTED, verdict.bytes, verdict.len);
    struct span rest = message_end(&message);
    assert_int_equal(trace_message_next(&rest, &read), 1);
    assert_int_equal(read.kind, TRACE_RULE);
    assert_int_equal(read.id, 77);
    assert_int_equal(read.family, 1);
    assert_int_equal(read.handle, 258);
    assert_true(read.decided);
    assert_int_equal(read.verdict, NFT_JUMP);
    assert_true(span_equal(read.table, SPAN("filter")));
    assert_true(span_equal(read.chain, SPAN("input")));
    assert_true(span_equal(read.target, SPAN("web")));
    assert_int_equal(trace_message_next(&rest, &read), 0);
}

static void test_other_messages_are_passed_over(void **state)
{
    struct message other = message_start(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
    struct trace_message read;

    struct span rest = message_end(&other);
    assert_int_equal(trace_message_next(&rest, &read), 0);
    assert_int_equal(rest.len, 0);
}

static void test_lengths_that_lie_are_refused(void **state)
{
    struct message message = message_start(trace);
    struct trace_message read;

    add32(&message, NFTA_TRACE_ID, 77);
    message_end(&message);
    struct span cut = span_of(message.bytes, message.len - 1);
    assert_int_equal(trace_message_next(&cut, &read), ERR_SYNTAX);
    message.bytes[NLMSG_HDRLEN + 4] = 60; /* nla_len */
    struct span rest = span_of(message.bytes, message.len);
    assert_int_equal(trace_message_next(&rest, &read), ERR_SYNTAX);
    struct span tiny = span_of(message.bytes, 3);
    assert_int_equal(trace_message_next(&tiny, &read), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rule_with_a_jump_is_read),
        cmocka_unit_test(test_other_messages_are_passed_over),
        cmocka_unit_test(test_lengths_that_lie_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
