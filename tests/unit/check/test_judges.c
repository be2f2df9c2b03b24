/* What judges say of what probes saw, as tables: no network, no server. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "check/internal.h"
#include "http/http.h"
#include "os/socket.h"

/* A check of one or two addresses of a host, as it is when all probes have ended. */
struct scene {
    struct target target;
    struct check_options options;
    struct endpoint endpoints[2];
    struct check check;
    struct check_result result;
};

static void set_address(struct endpoint *endpoint, const char *text)
{
    struct sockaddr_storage *storage = &endpoint->address.storage;

    assert_int_equal(socket_address_parse(text, &endpoint->address), 0);
    assert_true(storage->ss_family != 0);
}

static void begin(struct scene *scene, size_t endpoints)
{
    static const char *const addresses[] = {"192.0.2.1:443", "[2001:db8::1]:443"};
    struct diags diags = {0};

    *scene = (struct scene){.options = {.timeout = 10 * NSEC_PER_SEC}};
    assert_int_equal(target_parse("example.com", &diags, &scene->target), 0);
    scene->options.target = &scene->target;
    for (size_t i = 0; i < endpoints; i++) {
        set_address(&scene->endpoints[i], addresses[i]);
        scene->endpoints[i].main =
            (struct probe){.done = true, .tcp_took = -1, .tls_took = -1, .first_byte_took = -1};
    }
    scene->check = (struct check){.options = &scene->options,
                                  .endpoints = scene->endpoints,
                                  .endpoint_count = endpoints,
                                  .server_name = "example.com"};
}

static void end(struct scene *scene)
{
    findings_finish(&scene->result.findings);
    target_finish(&scene->target);
}

/* The first finding of a topic says what is wanted. */
static void expect(const struct scene *scene, const char *topic, enum finding_grade grade,
                   const char *sentence)
{
    for (size_t i = 0; i < scene->result.findings.count; i++) {
        const struct finding *finding = &scene->result.findings.items[i];
        if (strcmp(finding->topic, topic) != 0 || !strstr(finding->sentence, sentence))
            continue;
        assert_int_equal(finding->grade, grade);
        return;
    }
    fail_msg("no finding of %s says: %s", topic, sentence);
}

static void test_judge_tcp_names_who_refuses(void **state)
{
    static const struct {
        int end;
        struct dial_failure failure;
        enum finding_grade grade;
        const char *sentence;
    } cases[] = {
        {PROBE_REFUSED, {.error = ECONNREFUSED}, FINDING_BAD, "no program listens on port 443"},
        {PROBE_REFUSED,
         {.error = ECONNREFUSED, .icmp = true, .type = 3, .code = 3},
         FINDING_BAD,
         "rejected by a firewall (port unreachable)"},
        {PROBE_REFUSED,
         {.error = EHOSTUNREACH, .icmp = true, .type = 3, .code = 13},
         FINDING_BAD,
         "administratively prohibited"},
        {PROBE_REFUSED,
         {.error = EHOSTUNREACH, .icmp = true, .type = 11},
         FINDING_BAD,
         "packets go in a circle"},
        {PROBE_REFUSED,
         {.error = EHOSTUNREACH, .icmp = true, .type = 3, .code = 99},
         FINDING_BAD,
         "refused (ICMP 3/99)"},
        {PROBE_REFUSED, {.error = EACCES}, FINDING_BAD, "own firewall or routing"},
        {PROBE_REFUSED, {.error = EHOSTUNREACH}, FINDING_BAD, "no machine answers"},
        {PROBE_REFUSED, {.error = ENETDOWN}, FINDING_BAD, "cannot connect"},
        {PROBE_NO_ROUTE, {.error = ENETUNREACH}, FINDING_BAD, "no IPv4 route"},
        {PROBE_TIMEOUT, {.error = 0}, FINDING_BAD, "no answer within 5.0 s"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct scene scene;
        begin(&scene, 1);
        scene.endpoints[0].main.end = cases[i].end;
        scene.endpoints[0].main.failure = cases[i].failure;
        judge_tcp(&scene.check, &scene.result);
        expect(&scene, "tcp", cases[i].grade, cases[i].sentence);
        assert_non_null(scene.result.findings.items[0].subject);
        end(&scene);
    }
}

static void test_judge_tcp_weighs_addresses_against_each_other(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, 2); /* IPv4 works, IPv6 does not: visitors wait */
    scene.endpoints[0].main.tcp_took = NSEC_PER_MSEC;
    scene.endpoints[1].main.end = PROBE_TIMEOUT;
    judge_tcp(&scene.check, &scene.result);
    expect(&scene, "tcp", FINDING_GOOD, "accepts connections");
    expect(&scene, "ipv6", FINDING_BAD, "DNS announces IPv6");
    end(&scene);
    begin(&scene, 2); /* this machine has no IPv6: nothing is known of it */
    scene.endpoints[0].main.tcp_took = NSEC_PER_MSEC;
    scene.endpoints[1].main.end = PROBE_NO_ROUTE;
    judge_tcp(&scene.check, &scene.result);
    expect(&scene, "tcp", FINDING_UNKNOWN, "no IPv6 route");
    assert_int_equal(scene.result.findings.count, 2);
    end(&scene);
    begin(&scene, 1); /* port 80 answers: the machine is on */
    scene.endpoints[0].main.end = PROBE_TIMEOUT;
    scene.endpoints[0].has_port80 = true;
    scene.endpoints[0].port80 = (struct probe){.done = true, .tcp_took = NSEC_PER_MSEC};
    judge_tcp(&scene.check, &scene.result);
    expect(&scene, "tcp", FINDING_BAD, "while the machine answers on port 80");
    assert_non_null(strstr(scene.result.findings.items[0].hint, "backlog"));
    end(&scene);
}

static void test_judge_http_grades_statuses(void **state)
{
    static const struct {
        int status;
        const char *location;
        enum finding_grade grade;
        const char *sentence;
    } cases[] = {
        {200, NULL, FINDING_GOOD, "HTTP/2 answers 200 (OK) for /"},
        {204, NULL, FINDING_GOOD, "204"},
        {401, NULL, FINDING_NOTE, "401"},
        {403, NULL, FINDING_NOTE, "403"},
        {404, NULL, FINDING_WARNING, "404"},
        {421, NULL, FINDING_WARNING, "421"},
        {500, NULL, FINDING_BAD, "500"},
        {502, NULL, FINDING_BAD, "502"},
        {999, NULL, FINDING_BAD, "there is no such status"},
        {302, NULL, FINDING_BAD, "without a Location field"},
        {301, "", FINDING_BAD, "its Location field is empty"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct scene scene;
        struct probe *probe = &scene.endpoints[0].main;
        char location[8] = "";
        begin(&scene, 1);
        *probe = (struct probe){.done = true,
                                .end = PROBE_DONE,
                                .stage = PROBE_HTTP,
                                .status = cases[i].status,
                                .version = HTTP_2,
                                .tcp_took = 1,
                                .tls_took = 1,
                                .first_byte_took = 1,
                                .location = cases[i].location ? location : NULL};
        scene.check.first = &scene.endpoints[0];
        judge_http(&scene.check, &scene.result);
        expect(&scene, "http", cases[i].grade, cases[i].sentence);
        assert_int_equal(scene.result.metrics.status, cases[i].status);
        end(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge_tcp_names_who_refuses),
        cmocka_unit_test(test_judge_tcp_weighs_addresses_against_each_other),
        cmocka_unit_test(test_judge_http_grades_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
