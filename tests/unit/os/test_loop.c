/* The event loop: timers of all distances in order, watches, removal inside callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/loop.h"

struct probe {
    struct loop_timer timer;
    struct loop *loop;
    nsec_t wanted;
    nsec_t fired;
    int *left;
};

static void on_probe(struct loop_timer *timer, nsec_t now)
{
    struct probe *probe = container_of(timer, struct probe, timer);

    probe->fired = now;
    if (--*probe->left == 0)
        loop_stop(probe->loop);
}

static void test_loop_fires_timers_never_early_and_soon_after(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct probe probes[COUNT] = {0};
    struct loop *loop;
    int left = COUNT;

    assert_int_equal(loop_create(&loop), 0);
    for (int i = 0; i < COUNT; i++) {
        probes[i] = (struct probe){.loop = loop, .left = &left};
        probes[i].timer.on_timeout = on_probe;
        probes[i].wanted = loop_now(loop) + (nsec_t)(rand() % 1200000) * NSEC_PER_USEC;
        loop_timer_set(loop, &probes[i].timer, loop_now(loop) + 3600 * NSEC_PER_SEC);
        loop_timer_set(loop, &probes[i].timer, probes[i].wanted);
    }
    assert_int_equal(loop_run(loop), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_true(probes[i].fired >= probes[i].wanted);
        assert_true(probes[i].fired < probes[i].wanted + 500 * NSEC_PER_MSEC);
    }
    loop_destroy(loop);
}

static void test_loop_cancelled_timer_stays_silent(void **state)
{
    (void)state;
    struct loop *loop;
    int left = 1;
    assert_int_equal(loop_create(&loop), 0);
    struct probe silent = {.loop = loop, .left = &left, .timer.on_timeout = on_probe};
    struct probe last = silent;

    loop_timer_set(loop, &silent.timer, loop_now(loop) + 5 * NSEC_PER_MSEC);
    loop_timer_set(loop, &last.timer, loop_now(loop) + 30 * NSEC_PER_MSEC);
    loop_timer_cancel(loop, &silent.timer);
    loop_timer_cancel(loop, &silent.timer);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(silent.fired, 0);
    assert_true(last.fired > 0);
    loop_destroy(loop);
}

struct repeater {
    struct loop_timer timer;
    struct loop *loop;
    nsec_t wanted;
    int fired;
    bool early;
};

/* 64 ticks of 8 ms on is the slot that is being fired. */
static void on_repeat(struct loop_timer *timer, nsec_t now)
{
    struct repeater *repeater = container_of(timer, struct repeater, timer);

    if (now < repeater->wanted)
        repeater->early = true;
    if (++repeater->fired == 3 || repeater->early) {
        loop_stop(repeater->loop);
        return;
    }
    repeater->wanted = now / (8 * NSEC_PER_MSEC) * (8 * NSEC_PER_MSEC) + 512 * NSEC_PER_MSEC;
    loop_timer_set(repeater->loop, timer, repeater->wanted);
}

static void test_loop_timer_set_a_whole_ring_ahead_while_firing_is_not_early(void **state)
{
    (void)state;
    struct loop *loop;

    assert_int_equal(loop_create(&loop), 0);
    struct repeater repeater = {.loop = loop, .timer.on_timeout = on_repeat};
    loop_timer_set(loop, &repeater.timer, loop_now(loop));
    assert_int_equal(loop_run(loop), 0);
    assert_false(repeater.early);
    assert_int_equal(repeater.fired, 3);
    loop_destroy(loop);
}

struct pair {
    struct loop_watch watch;
    struct loop *loop;
    struct pair *other;
    int events;
};

/* Whichever end is told first takes the other away: its event, already collected, must not come. */
static void on_pair(struct loop_watch *watch, unsigned events)
{
    struct pair *pair = container_of(watch, struct pair, watch);

    assert_true(events & LOOP_READABLE);
    pair->events++;
    loop_remove(pair->loop, &pair->other->watch);
    loop_remove(pair->loop, &pair->watch);
    loop_stop(pair->loop);
}

static void test_loop_drops_collected_events_of_removed_watch(void **state)
{
    (void)state;
    struct loop *loop;
    int fds[2];

    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct pair a = {.watch = {.fd = fds[0], .on_event = on_pair}, .loop = loop};
    struct pair b = {.watch = {.fd = fds[1], .on_event = on_pair}, .loop = loop, .other = &a};
    a.other = &b;
    assert_int_equal(write(fds[0], "x", 1), 1);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(loop_add(loop, &a.watch, LOOP_EDGE), 0);
    assert_int_equal(loop_add(loop, &b.watch, LOOP_LEVEL), 0);
    assert_int_equal(loop_run(loop), 0);
    assert_int_equal(a.events + b.events, 1);
    close(fds[0]);
    close(fds[1]);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_fires_timers_never_early_and_soon_after),
        cmocka_unit_test(test_loop_cancelled_timer_stays_silent),
        cmocka_unit_test(test_loop_timer_set_a_whole_ring_ahead_while_firing_is_not_early),
        cmocka_unit_test(test_loop_drops_collected_events_of_removed_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
