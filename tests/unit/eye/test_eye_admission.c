/* How often an eye may be asked: by one source, by all, and at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "eye/admission.h"

#define START (1000 * NSEC_PER_SEC)

static struct admission *make_admission(void)
{
    struct admission *admission = mem_new(struct admission);

    admission->probes_a_minute = ADMISSION_PROBES;
    return admission;
}

static struct socket_address from(const char *ip)
{
    struct socket_address address;

    assert_int_equal(address_from_ip(ip, 1, &address), 0);
    admission_normalise(&address);
    return address;
}

static unsigned probe(struct admission *admission, const char *ip, nsec_t now)
{
    const struct socket_address address = from(ip);
    struct admission_source *source = admission_enter(admission, &address, now);

    assert_non_null(source);
    unsigned wait = admission_probe(admission, source, now);
    admission_leave(admission, source, wait == 0);
    return wait;
}

static void test_six_probes_a_minute_then_the_wait_is_told(void **state)
{
    scoped(mem_release) struct admission *admission = make_admission();

    (void)state;
    for (int i = 0; i < ADMISSION_PROBES; i++)
        assert_int_equal(probe(admission, "192.0.2.1", START), 0);
    assert_int_equal(probe(admission, "192.0.2.1", START), 10);
    assert_int_equal(probe(admission, "192.0.2.1", START + 9 * NSEC_PER_SEC), 1);
    assert_int_equal(probe(admission, "192.0.2.2", START), 0); /* another source has its own */
    assert_int_equal(probe(admission, "192.0.2.1", START + 10 * NSEC_PER_SEC), 0);
}

static void test_one_probe_at_a_time(void **state)
{
    scoped(mem_release) struct admission *admission = make_admission();
    const struct socket_address address = from("2001:db8::1");

    (void)state;
    struct admission_source *a = admission_enter(admission, &address, START);
    struct admission_source *b = admission_enter(admission, &address, START);
    assert_ptr_equal(a, b);
    assert_int_equal(admission_probe(admission, a, START), 0);
    assert_int_equal(admission_probe(admission, b, START), 1);
    admission_leave(admission, b, false);
    admission_leave(admission, a, true);
    assert_int_equal(probe(admission, "2001:db8::1", START), 0);
}

static void test_an_ipv6_source_counts_by_its_network(void **state)
{
    scoped(mem_release) struct admission *admission = make_admission();

    (void)state;
    for (int i = 0; i < ADMISSION_PROBES; i++)
        assert_int_equal(probe(admission, i % 2 ? "2001:db8::1" : "2001:db8::ffff", START), 0);
    assert_true(probe(admission, "2001:db8::abcd", START) > 0);
    assert_int_equal(probe(admission, "2001:db8:0:1::1", START), 0);
}

static void test_a_mapped_address_is_what_it_is(void **state)
{
    const struct socket_address mapped = from("::ffff:192.0.2.1"), plain = from("192.0.2.1");

    (void)state;
    assert_true(socket_address_equal(&mapped, &plain));
    assert_false(address_is_ipv6(&mapped));
}

static void test_probes_of_all_are_bounded(void **state)
{
    scoped(mem_release) struct admission *admission = make_admission();
    char ip[32];

    (void)state;
    for (int i = 0; i < ADMISSION_ALL_PROBES; i++) {
        snprintf(ip, sizeof ip, "192.0.2.%d", i);
        assert_int_equal(probe(admission, ip, START), 0);
    }
    assert_int_equal(probe(admission, "198.51.100.1", START), 1);
    /* A refusal of all takes nothing from the source. */
    for (int i = 0; i < ADMISSION_PROBES; i++)
        assert_int_equal(probe(admission, "198.51.100.1", START + (i + 1) * NSEC_PER_SEC), 0);
}

static void test_connections_are_bounded(void **state)
{
    scoped(mem_release) struct admission *admission = make_admission();
    const struct socket_address one = from("192.0.2.1");
    char ip[32];

    (void)state;
    for (int i = 0; i < ADMISSION_CONNECTIONS; i++)
        assert_non_null(admission_enter(admission, &one, START));
    assert_null(admission_enter(admission, &one, START));
    for (int i = ADMISSION_CONNECTIONS; i < ADMISSION_ACTIVE_MAX; i++) {
        snprintf(ip, sizeof ip, "198.51.100.%d", i);
        const struct socket_address other = from(ip);
        assert_non_null(admission_enter(admission, &other, START));
    }
    const struct socket_address late = from("203.0.113.1");
    assert_null(admission_enter(admission, &late, START));
}

static void test_connection_attempts_are_bounded(void **state)
{
    scoped(mem_release) struct admission *admission = make_admission();
    const struct socket_address one = from("192.0.2.1");
    int let_in = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct admission_source *source = admission_enter(admission, &one, START);
        if (!source)
            continue;
        let_in++;
        admission_leave(admission, source, false);
    }
    assert_int_equal(let_in, ADMISSION_ATTEMPTS);
}

static void test_many_sources_fit_once_old_ones_are_forgotten(void **state)
{
    scoped(mem_release) struct admission *admission = make_admission();
    char ip[32];

    (void)state;
    for (int i = 0; i < ADMISSION_SOURCES_MAX; i++) {
        snprintf(ip, sizeof ip, "10.0.%d.%d", i / 256, i % 256);
        const struct socket_address address = from(ip);
        struct admission_source *source = admission_enter(admission, &address, START);
        assert_non_null(source);
        admission_leave(admission, source, false);
    }
    const struct socket_address late = from("203.0.113.1");
    assert_null(admission_enter(admission, &late, START));
    assert_non_null(admission_enter(admission, &late, START + 2 * NSEC_PER_SEC));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_six_probes_a_minute_then_the_wait_is_told),
        cmocka_unit_test(test_one_probe_at_a_time),
        cmocka_unit_test(test_an_ipv6_source_counts_by_its_network),
        cmocka_unit_test(test_a_mapped_address_is_what_it_is),
        cmocka_unit_test(test_probes_of_all_are_bounded),
        cmocka_unit_test(test_connections_are_bounded),
        cmocka_unit_test(test_connection_attempts_are_bounded),
        cmocka_unit_test(test_many_sources_fit_once_old_ones_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
