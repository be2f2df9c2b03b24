/* DNS messages: what we ask, what answers say, and answers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/dns_message.h"

/* An answer under construction. */
struct message {
    unsigned char bytes[2048];
    size_t len;
};

static void put(struct message *m, const void *bytes, size_t len)
{
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put16(struct message *m, unsigned number)
{
    unsigned char bytes[] = {(unsigned char)(number >> 8), (unsigned char)number};

    put(m, bytes, 2);
}

/* The question "a.example" of a type, with a header that promises `answers` records. */
static struct message answer_to(unsigned type, unsigned answers)
{
    struct message m = {.len = 0};

    put16(&m, 0x1234);
    put16(&m, 0x8180);
    put16(&m, 1);
    put16(&m, answers);
    put16(&m, 0);
    put16(&m, 0);
    put(&m, "\1a\7example\0", 11);
    put16(&m, type);
    put16(&m, 1);
    return m;
}

/* A record whose owner is the question's name. */
static void put_record(struct message *m, unsigned type, const void *data, size_t len)
{
    put16(m, 0xc00c);
    put16(m, type);
    put16(m, 1);
    put16(m, 0);
    put16(m, 300);
    put16(m, (unsigned)len);
    put(m, data, len);
}

static int parse(const struct message *m, unsigned type, struct dns_answer *answer)
{
    return dns_read_answer(span_of((const char *)m->bytes, m->len), "a.example", (uint16_t)type,
                           answer);
}

static void test_a_query_has_the_name_the_type_and_edns(void **state)
{
    static const unsigned char wanted[] = {
        0xab, 0xcd, 0x01, 0x20, 0, 1,  0, 0, 0, 0, 0,  1,    1,    'a', 7, 'e', 'x', 'a', 'm',
        'p',  'l',  'e',  0,    0, 65, 0, 1, 0, 0, 41, 0x04, 0xd0, 0,   0, 0,   0,   0,   0};
    unsigned char out[DNS_QUESTION_MAX];

    (void)state;
    int len = dns_write_query("a.example", DNS_HTTPS, 0xabcd, true, out);
    assert_int_equal(len, sizeof wanted);
    assert_memory_equal(out, wanted, sizeof wanted);
    assert_int_equal(dns_write_query("a.example.", DNS_HTTPS, 0xabcd, false, out), len - 11);
}

static void test_names_that_dns_cannot_carry_are_refused(void **state)
{
    unsigned char out[DNS_QUESTION_MAX];
    char label[66], name[300];

    (void)state;
    memset(label, 'a', 64);
    label[64] = '\0';
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 32 == 31 ? '.' : 'a';
    name[260] = '\0';
    assert_int_equal(dns_write_query(label, DNS_A, 1, true, out), ERR_SYNTAX);
    assert_int_equal(dns_write_query("a..b", DNS_A, 1, true, out), ERR_SYNTAX);
    assert_int_equal(dns_write_query(name, DNS_A, 1, true, out), ERR_SYNTAX);
    name[253] = '\0';
    assert_true(dns_write_query(name, DNS_A, 1, true, out) > 0);
}

static void test_addresses_and_aliases_are_read(void **state)
{
    struct message m = answer_to(DNS_A, 2);
    struct dns_answer answer;

    (void)state;
    put_record(&m, DNS_CNAME, "\1B\xc0\x0e", 4); /* "B" and the question's "example" */
    put_record(&m, DNS_A, "\xc0\0\2\7", 4);
    assert_int_equal(parse(&m, DNS_A, &answer), 0);
    assert_int_equal(answer.id, 0x1234);
    assert_int_equal(answer.count, 2);
    assert_string_equal(answer.records[0].name, "b.example");
    assert_string_equal(answer.records[0].owner, "a.example");
    assert_memory_equal(answer.records[1].address, "\xc0\0\2\7", 4);
    assert_int_equal(answer.records[1].ttl, 300);
    dns_answer_finish(&answer);
}

static void test_an_https_record_is_read(void **state)
{
    static const char data[] = "\0\1\0"             /* priority 1, the owner itself */
                               "\0\1\0\6\2h3\2h2"   /* alpn */
                               "\0\3\0\2\x20\xfb"   /* port 8443 */
                               "\0\4\0\4\xc0\0\2\1" /* ipv4hint */
                               "\0\5\0\2xx";        /* ech */
    struct message m = answer_to(DNS_HTTPS, 1);
    struct dns_answer answer;

    (void)state;
    put_record(&m, DNS_HTTPS, data, sizeof data - 1);
    assert_int_equal(parse(&m, DNS_HTTPS, &answer), 0);
    assert_int_equal(answer.count, 1);
    const struct dns_https *https = answer.records[0].https;
    assert_int_equal(https->priority, 1);
    assert_string_equal(https->target, ".");
    assert_int_equal(https->alpn_count, 2);
    assert_string_equal(https->alpn[0], "h3");
    assert_string_equal(https->alpn[1], "h2");
    assert_true(https->has_port && https->port == 8443 && https->has_ech);
    assert_int_equal(https->ipv4_count, 1);
    dns_answer_finish(&answer);
}

static void test_a_caa_record_is_read(void **state)
{
    struct message m = answer_to(DNS_CAA, 1);
    struct dns_answer answer;

    (void)state;
    put_record(&m, DNS_CAA, "\0\5Issueca.example\n", 18);
    assert_int_equal(parse(&m, DNS_CAA, &answer), 0);
    assert_string_equal(answer.records[0].caa.tag, "issue");
    assert_string_equal(answer.records[0].caa.value, "ca.example?");
    dns_answer_finish(&answer);
}

static void test_pointers_that_loop_are_no_answer(void **state)
{
    static const unsigned char loop[] = {0xc0, 27}; /* the record's own owner */
    struct message m = answer_to(DNS_A, 1);
    struct dns_answer answer;

    (void)state;
    assert_int_equal(m.len, 27);
    put(&m, loop, sizeof loop);
    put(&m, "\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 14);
    assert_int_equal(parse(&m, DNS_A, &answer), ERR_SYNTAX);
    m.bytes[28] = 200; /* forward, past the end */
    assert_int_equal(parse(&m, DNS_A, &answer), ERR_SYNTAX);
}

static void test_counts_and_lengths_that_lie_are_no_answer(void **state)
{
    struct message m = answer_to(DNS_A, 9);
    struct dns_answer answer;

    (void)state;
    put_record(&m, DNS_A, "\1\2\3\4", 4);
    assert_int_equal(parse(&m, DNS_A, &answer), ERR_SYNTAX); /* nine promised, one there */
    m = answer_to(DNS_A, 1);
    put_record(&m, DNS_A, "\1\2\3\4", 4);
    for (size_t len = 0; len < m.len; len++) {
        struct message cut = m;
        cut.len = len;
        assert_int_equal(parse(&cut, DNS_A, &answer), ERR_SYNTAX);
    }
    m = answer_to(DNS_A, 1);
    put_record(&m, DNS_A, "\1\2\3\4\5", 5); /* no address has five bytes: passed over */
    assert_int_equal(parse(&m, DNS_A, &answer), 0);
    assert_int_equal(answer.count, 0);
}

static void test_a_broken_record_is_passed_over(void **state)
{
    struct message m = answer_to(DNS_HTTPS, 2);
    struct dns_answer answer;

    (void)state;
    put_record(&m, DNS_HTTPS, "\0\1\0\0\1\0\xff\2h3", 10); /* a value longer than the record */
    put_record(&m, DNS_HTTPS, "\0\1\0", 3);
    assert_int_equal(parse(&m, DNS_HTTPS, &answer), 0);
    assert_int_equal(answer.count, 1);
    dns_answer_finish(&answer);
}

static void test_only_answers_to_the_question_count(void **state)
{
    struct message m = answer_to(DNS_AAAA, 0);
    struct dns_answer answer;

    (void)state;
    assert_int_equal(parse(&m, DNS_A, &answer), ERR_NOT_FOUND);
    assert_int_equal(parse(&m, DNS_AAAA, &answer), 0);
    m.bytes[13] = 'A'; /* the case may differ: RFC 4343 */
    assert_int_equal(parse(&m, DNS_AAAA, &answer), 0);
    m.bytes[13] = 'b';
    assert_int_equal(parse(&m, DNS_AAAA, &answer), ERR_NOT_FOUND);
    m.bytes[2] = 0x01; /* a question, no answer */
    assert_int_equal(parse(&m, DNS_AAAA, &answer), ERR_SYNTAX);
}

static void test_many_records_are_cut_at_the_bound(void **state)
{
    struct message m = answer_to(DNS_A, DNS_RECORDS_MAX + 20);
    struct dns_answer answer;

    (void)state;
    for (int i = 0; i < DNS_RECORDS_MAX + 20; i++)
        put_record(&m, DNS_A, "\1\2\3\4", 4);
    assert_int_equal(parse(&m, DNS_A, &answer), 0);
    assert_int_equal(answer.count, DNS_RECORDS_MAX);
    dns_answer_finish(&answer);
}

static void test_a_name_cannot_lie_about_its_dots(void **state)
{
    struct message m = answer_to(DNS_CNAME, 1);
    struct dns_answer answer;

    (void)state;
    put_record(&m, DNS_CNAME, "\3a.b\1\x1b\0", 7);
    assert_int_equal(parse(&m, DNS_CNAME, &answer), 0);
    assert_string_equal(answer.records[0].name, "a\\046b.\\027");
    dns_answer_finish(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_query_has_the_name_the_type_and_edns),
        cmocka_unit_test(test_names_that_dns_cannot_carry_are_refused),
        cmocka_unit_test(test_addresses_and_aliases_are_read),
        cmocka_unit_test(test_an_https_record_is_read),
        cmocka_unit_test(test_a_caa_record_is_read),
        cmocka_unit_test(test_pointers_that_loop_are_no_answer),
        cmocka_unit_test(test_counts_and_lengths_that_lie_are_no_answer),
        cmocka_unit_test(test_a_broken_record_is_passed_over),
        cmocka_unit_test(test_only_answers_to_the_question_count),
        cmocka_unit_test(test_many_records_are_cut_at_the_bound),
        cmocka_unit_test(test_a_name_cannot_lie_about_its_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
