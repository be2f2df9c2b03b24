/* Connecting for workers: only to what is configured, by whichever address answers, and with the
 * addresses that were known while a name cannot be looked up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/connector.h"
#include "base/error.h"

struct rig {
    struct loop *loop;
    struct connector *connector;
    struct loop_timer patience;
    int listener;
    uint16_t port;
    unsigned answers;
    unsigned connected;
    int error;
    unsigned resolves;
};

static void on_answer(void *context, int client, uint64_t number, int fd, int error)
{
    struct rig *rig = context;

    assert_int_equal(client, 7);
    assert_int_equal(number, 42);
    rig->answers++;
    rig->connected += fd >= 0;
    rig->error = error;
    if (fd >= 0)
        close(fd);
    loop_stop(rig->loop);
}

static int resolve(void *context, const char *name)
{
    struct rig *rig = context;

    assert_string_equal(name, "app.test");
    rig->resolves++;
    return 0;
}

static void on_patience(struct loop_timer *timer, nsec_t now)
{
    (void)now;
    loop_stop(container_of(timer, struct rig, patience)->loop);
}

/** @param family  that something listens on */
static void rig_begin(struct rig *rig, int family)
{
    struct sockaddr_storage storage = {.ss_family = (sa_family_t)family};
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    *rig = (struct rig){.patience.on_timeout = on_patience};
    rig->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (family == AF_INET)
        ((struct sockaddr_in *)&storage)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)&storage)->sin6_addr = in6addr_loopback;
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&storage, len), 0);
    assert_int_equal(listen(rig->listener, 16), 0);
    assert_int_equal(getsockname(rig->listener, (struct sockaddr *)&storage, &len), 0);
    rig->port = ntohs(((struct sockaddr_in *)&storage)->sin_port); /* the same place in both */
    assert_int_equal(loop_create(&rig->loop), 0);
    struct connector_options options = {
        .loop = rig->loop, .on_answer = on_answer, .resolve = resolve, .context = rig};
    rig->connector = connector_create(&options);
}

static void rig_end(struct rig *rig)
{
    connector_destroy(rig->connector);
    loop_timer_cancel(rig->loop, &rig->patience);
    loop_destroy(rig->loop);
    if (rig->listener >= 0)
        close(rig->listener);
}

static struct upstream_address target(struct rig *rig, const char *host)
{
    struct upstream_address address = {.port = rig->port};

    memcpy(address.host, host, strlen(host));
    connector_targets_begin(rig->connector);
    connector_target(rig->connector, &address, NSEC_PER_SEC);
    connector_targets_end(rig->connector);
    return address;
}

/** Asks, and waits for the answer. */
static void ask(struct rig *rig, const struct upstream_address *address)
{
    rig->answers = rig->connected = 0;
    connector_ask(rig->connector, 7, 42, upstream_address_id(address));
    loop_timer_set(rig->loop, &rig->patience, nsec_monotonic() + 5 * NSEC_PER_SEC);
    if (rig->answers == 0)
        assert_int_equal(loop_run(rig->loop), 0);
}

static void test_localhost_is_found_by_either_family(void **state)
{
    static const int families[] = {AF_INET, AF_INET6};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct rig rig;
        rig_begin(&rig, families[i]);
        struct upstream_address address = target(&rig, "localhost");
        ask(&rig, &address);
        assert_int_equal(rig.connected, 1);
        rig_end(&rig);
    }
}

static void test_nothing_else_is_reached(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, AF_INET);
    struct upstream_address address = target(&rig, "localhost");
    struct upstream_address other = address;
    other.port++;
    ask(&rig, &other);
    assert_int_equal(rig.connected, 0);
    assert_int_equal(rig.error, -EPERM);
    connector_targets_begin(rig.connector); /* a reload drops it */
    connector_targets_end(rig.connector);
    ask(&rig, &address);
    assert_int_equal(rig.error, -EPERM);
    rig_end(&rig);
}

static void test_a_refusal_is_told(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, AF_INET);
    close(rig.listener);
    rig.listener = -1;
    struct upstream_address address = target(&rig, "127.0.0.1");
    ask(&rig, &address);
    assert_int_equal(rig.answers, 1);
    assert_int_equal(rig.error, -ECONNREFUSED);
    rig_end(&rig);
}

static void test_known_addresses_outlive_failing_lookups(void **state)
{
    struct lookup_result result = {.count = 1}, failure = {.error = EAI_AGAIN};
    struct rig rig;

    (void)state;
    rig_begin(&rig, AF_INET);
    struct upstream_address address = target(&rig, "app.test");
    assert_int_equal(rig.resolves, 1);
    connector_resolved(rig.connector, "app.test", &failure);
    ask(&rig, &address);
    assert_int_equal(rig.error, -ENXIO);
    rig_end(&rig);

    rig_begin(&rig, AF_INET);
    address = target(&rig, "app.test");
    struct sockaddr_in *in = (struct sockaddr_in *)&result.addresses[0].storage;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    result.addresses[0].len = sizeof *in;
    connector_resolved(rig.connector, "app.test", &result);
    ask(&rig, &address);
    assert_int_equal(rig.connected, 1);
    connector_resolved(rig.connector, "app.test", &failure);
    ask(&rig, &address);
    assert_int_equal(rig.connected, 1);
    rig_end(&rig);
}

static void test_a_worker_that_is_gone_gets_no_answer(void **state)
{
    struct rig rig;

    (void)state;
    rig_begin(&rig, AF_INET);
    struct upstream_address address = target(&rig, "app.test");
    connector_ask(rig.connector, 7, 42, upstream_address_id(&address));
    connector_forget(rig.connector, 7);
    connector_resolved(rig.connector, "app.test", &(struct lookup_result){.error = EAI_NONAME});
    assert_int_equal(rig.answers, 0);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_localhost_is_found_by_either_family),
        cmocka_unit_test(test_nothing_else_is_reached),
        cmocka_unit_test(test_a_refusal_is_told),
        cmocka_unit_test(test_known_addresses_outlive_failing_lookups),
        cmocka_unit_test(test_a_worker_that_is_gone_gets_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
