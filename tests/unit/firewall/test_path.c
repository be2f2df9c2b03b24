/* A packet's path: what is kept, and its two formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/mem.h"
#include "firewall/model/path.h"
#include "report/printer.h"

static const struct firewall_probe probe = {
    .family = AF_INET,
    .protocol = 6,
    .source = {192, 0, 2, 7},
    .destination = {10, 0, 0, 1},
    .port = 443,
    .interface = "eth0",
};

static char *copy(const char *text)
{
    return mem_string(span_str(text));
}

static void fill(struct firewall_path *path)
{
    firewall_path_init(path, &probe);
    struct firewall_step *step = firewall_path_step(path);
    *step = (struct firewall_step){.policy = true,
                                   .family = copy("ip"),
                                   .table = copy("raw"),
                                   .chain = copy("PREROUTING"),
                                   .hook = copy("prerouting"),
                                   .priority = -300,
                                   .action = FIREWALL_ACCEPT};
    step = firewall_path_step(path);
    *step = (struct firewall_step){.family = copy("inet"),
                                   .table = copy("filter"),
                                   .chain = copy("\033[2J"),
                                   .handle = 7,
                                   .text = copy("tcp dport 443 drop"),
                                   .action = FIREWALL_DROP};
    firewall_path_blame(path);
    path->verdict = FIREWALL_DROPPED;
    path->witness = FIREWALL_BY_TRACE;
    firewall_path_reason(path, "a rule drops it");
    firewall_path_hint(path, "nft delete rule inet filter c handle 7");
}

static void test_path_prints_its_steps_and_marks_the_culprit(void **state)
{
    struct firewall_path path;
    char *text = NULL;
    size_t size;
    struct printer printer = {.out = open_memstream(&text, &size)};

    fill(&path);
    firewall_path_print(&printer, &path);
    fclose(printer.out);
    assert_string_equal(
        text, "443/tcp over IPv4, from 192.0.2.7 to 10.0.0.1 on eth0: closed\n"
              "    ip raw PREROUTING (prerouting -300)  accept  policy\n"
              "=>  inet filter \\x1b[2J                  drop    tcp dport 443 drop  # handle 7\n"
              "a rule drops it\n"
              "-> nft delete rule inet filter c handle 7\n");
    free(text);
    firewall_path_finish(&path);
}

static void test_path_as_json_names_the_culprit(void **state)
{
    struct firewall_path path;

    fill(&path);
    json_t *object = firewall_path_json(&path);
    const json_t *steps = json_object_get(object, "steps");
    const json_t *culprit =
        json_array_get(steps, (size_t)json_integer_value(json_object_get(object, "culprit")));
    assert_string_equal(json_string_value(json_object_get(object, "verdict")), "dropped");
    assert_true(json_is_false(json_object_get(object, "open")));
    assert_int_equal(json_integer_value(json_object_get(culprit, "handle")), 7);
    assert_string_equal(json_string_value(json_object_get(culprit, "rule")), "tcp dport 443 drop");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(steps, 0), "priority")),
                     -300);
    json_decref(object);
    firewall_path_finish(&path);
}

static void test_path_keeps_the_last_of_too_many_steps(void **state)
{
    struct firewall_path path;

    firewall_path_init(&path, &probe);
    for (int i = 0; i < 1005; i++)
        firewall_path_step(&path)->chain = copy("again");
    firewall_path_step(&path)->chain = copy("last");
    firewall_path_blame(&path);
    assert_int_equal(path.count, 1000);
    assert_int_equal(path.dropped, 6);
    assert_string_equal(path.steps[path.culprit].chain, "last");
    firewall_path_finish(&path);
    assert_int_equal(path.count, 0);
}

static void test_path_is_open_only_with_a_listener(void **state)
{
    struct firewall_path path;

    firewall_path_init(&path, &probe);
    assert_false(firewall_path_open(&path));
    path.verdict = FIREWALL_ACCEPTED;
    assert_true(firewall_path_open(&path));
    path.obstacle = FIREWALL_NO_LISTENER;
    assert_false(firewall_path_open(&path));
    firewall_path_finish(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_prints_its_steps_and_marks_the_culprit),
        cmocka_unit_test(test_path_as_json_names_the_culprit),
        cmocka_unit_test(test_path_keeps_the_last_of_too_many_steps),
        cmocka_unit_test(test_path_is_open_only_with_a_listener),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
