/* Deadlines that bytes prolong, and connection counts over several workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protect/protect.h"

static void test_limits_deadline_grows_with_bytes_up_to_its_bound(void **state)
{
    (void)state;
    struct limits_pace pace = {.began = 5 * NSEC_PER_SEC, .moved = 0};

    assert_int_equal(limits_deadline(&pace, 20 * NSEC_PER_SEC, 500, 0), 25 * NSEC_PER_SEC);
    pace.moved = 1499;
    assert_int_equal(limits_deadline(&pace, 20 * NSEC_PER_SEC, 500, 0), 27 * NSEC_PER_SEC);
    pace.moved = 500 * 1000;
    assert_int_equal(limits_deadline(&pace, 20 * NSEC_PER_SEC, 500, 40 * NSEC_PER_SEC),
                     45 * NSEC_PER_SEC);
    assert_int_equal(limits_deadline(&pace, 20 * NSEC_PER_SEC, 0, 0), 25 * NSEC_PER_SEC);
    assert_true(limits_deadline(&pace, 0, 500, 0) == NSEC_NEVER);
    pace.moved = UINT64_MAX;
    assert_true(limits_deadline(&pace, NSEC_PER_SEC, 1, 0) > 0);
}

static struct peer_address address(uint8_t network, uint8_t host, bool v4)
{
    struct peer_address a = {{0x20, 1, 0, 0, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, host}};
    struct peer_address b = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, network, host}};
    return v4 ? b : a;
}

static void test_peers_limit_holds_over_all_workers(void **state)
{
    (void)state;
    const uint64_t secret[2] = {1, 2};
    void *memory = calloc(1, peers_size(3));
    struct peers *peers = peers_create(memory, 3, secret);
    struct peer_address one = address(1, 1, true);

    assert_true(peers_enter(peers, 0, one, 3));
    assert_true(peers_enter(peers, 1, one, 3));
    assert_true(peers_enter(peers, 2, one, 3));
    assert_false(peers_enter(peers, 0, one, 3));
    assert_true(peers_enter(peers, 0, address(1, 2, true), 3));
    peers_leave(peers, 1, one);
    assert_true(peers_enter(peers, 0, one, 3));
    assert_false(peers_enter(peers, 0, one, 3));
    peers_forget(peers, 0); /* it held two of the three */
    assert_true(peers_enter(peers, 0, one, 3));
    assert_true(peers_enter(peers, 0, one, 0));
    peers_destroy(peers);
    free(memory);
}

static void test_peers_counts_ipv6_by_network(void **state)
{
    (void)state;
    const uint64_t secret[2] = {3, 4};
    void *memory = calloc(1, peers_size(1));
    struct peers *peers = peers_create(memory, 1, secret);

    assert_true(peers_enter(peers, 0, address(1, 1, false), 2));
    assert_true(peers_enter(peers, 0, address(1, 2, false), 2));
    assert_false(peers_enter(peers, 0, address(1, 3, false), 2));
    assert_true(peers_enter(peers, 0, address(2, 3, false), 2));
    peers_destroy(peers);
    free(memory);
}

/* More than 65535 from behind one address: the way back to zero is as long as the way up. */
static void test_peers_counts_many_without_forgetting_any(void **state)
{
    (void)state;
    enum { MANY = 70000 };
    const uint64_t secret[2] = {5, 6};
    void *memory = calloc(1, peers_size(1));
    struct peers *peers = peers_create(memory, 1, secret);

    for (int i = 0; i < MANY; i++)
        assert_true(peers_enter(peers, 0, address(1, 1, true), 0));
    for (int i = 0; i < MANY - 2; i++)
        peers_leave(peers, 0, address(1, 1, true));
    assert_false(peers_enter(peers, 0, address(1, 1, true), 2));
    assert_true(peers_enter(peers, 0, address(1, 1, true), 3));
    peers_destroy(peers);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_deadline_grows_with_bytes_up_to_its_bound),
        cmocka_unit_test(test_peers_limit_holds_over_all_workers),
        cmocka_unit_test(test_peers_counts_ipv6_by_network),
        cmocka_unit_test(test_peers_counts_many_without_forgetting_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
