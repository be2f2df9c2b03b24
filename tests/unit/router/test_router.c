/* What a router's answers mean: addresses outside, refusals, leases, findings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "report/finding.h"
#include "router/router.h"

static void test_addresses_outside(void **state)
{
    static const struct {
        const char *text;
        enum router_wan kind;
    } cases[] = {
        {"45.45.45.1", ROUTER_WAN_PUBLIC},      {"100.63.255.255", ROUTER_WAN_PUBLIC},
        {"100.64.0.0", ROUTER_WAN_CARRIER},     {"100.127.255.255", ROUTER_WAN_CARRIER},
        {"100.128.0.0", ROUTER_WAN_PUBLIC},     {"10.1.2.3", ROUTER_WAN_PRIVATE},
        {"172.15.255.255", ROUTER_WAN_PUBLIC},  {"172.16.0.1", ROUTER_WAN_PRIVATE},
        {"172.31.255.255", ROUTER_WAN_PRIVATE}, {"172.32.0.0", ROUTER_WAN_PUBLIC},
        {"192.168.178.1", ROUTER_WAN_PRIVATE},  {"169.254.1.1", ROUTER_WAN_PRIVATE},
        {"0.0.0.0", ROUTER_WAN_NONE},           {"", ROUTER_WAN_UNKNOWN},
        {"<script>", ROUTER_WAN_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(router_wan_kind(cases[i].text), cases[i].kind);
}

static void test_every_refusal_has_words_and_a_hint(void **state)
{
    const char *hint;

    (void)state;
    assert_non_null(strstr(router_refusal(ROUTER_UPNP, 718, &hint), "another machine"));
    assert_non_null(strstr(router_refusal(ROUTER_UPNP, 729, &hint), "by the router itself"));
    assert_non_null(strstr(router_refusal(ROUTER_UPNP, 606, &hint), "not allow"));
    assert_non_null(strstr(router_refusal(ROUTER_UPNP, 725, &hint), "for good"));
    assert_non_null(strstr(router_refusal(ROUTER_NATPMP, 2, &hint), "not allow"));
    assert_non_null(strstr(hint, "NAT-PMP"));
    router_refusal(ROUTER_NATPMP, 3, &hint);
    assert_non_null(strstr(hint, "100.64.0.0/10"));
    assert_non_null(strstr(router_refusal(ROUTER_UPNP, 12345, &hint), "reason of its own"));
    assert_non_null(hint);
}

static struct router_answer mapped(void)
{
    return (struct router_answer){
        .routed = true,
        .heard = {[ROUTER_NATPMP] = true},
        .interface = "eth0",
        .router = "192.168.1.1",
        .address = "192.168.1.7",
        .wan = "45.45.45.1",
        .ports = {{{443, PORT_TCP}, ROUTER_MAPPED, ROUTER_NATPMP, 7200, 0, ""},
                  {{443, PORT_UDP}, ROUTER_MAPPED, ROUTER_NATPMP, 600, 0, ""},
                  {{80, PORT_TCP}, ROUTER_MAPPED, ROUTER_UPNP, 0, 0, ""}},
        .count = 3,
    };
}

static void test_leases_are_renewed_after_half_of_the_shortest(void **state)
{
    struct router_answer answer = mapped();

    (void)state;
    assert_int_equal(router_renew_after(&answer), 300);
    answer.ports[1].outcome = ROUTER_REFUSED;
    assert_int_equal(router_renew_after(&answer), 3600);
    answer.ports[0].lease = 0;
    assert_int_equal(router_renew_after(&answer), 0);
    answer.ports[0].lease = 1;
    assert_int_equal(router_renew_after(&answer), 1);
}

static const struct finding *find(const struct findings *findings, const char *words)
{
    for (size_t i = 0; i < findings->count; i++)
        if (strstr(findings->items[i].sentence, words))
            return &findings->items[i];
    fail_msg("nothing says \"%s\"", words);
    return NULL;
}

static void test_what_worked(void **state)
{
    struct router_answer answer = mapped();
    struct findings findings = {0};

    (void)state;
    assert_true(router_fine(&answer));
    router_judge(&answer, 0, &findings);
    assert_int_equal(findings_worst(&findings), FINDING_NOTE);
    assert_string_equal(find(&findings, "192.168.1.1 sends it on to 192.168.1.7")->subject,
                        "443/tcp");
    assert_string_equal(find(&findings, "for good")->subject, "80/tcp");
    find(&findings, "outside, the router is 45.45.45.1");
    findings_finish(&findings);
}

static void test_carrier_nat_and_double_nat(void **state)
{
    struct router_answer answer = mapped();
    struct findings findings = {0};

    (void)state;
    snprintf(answer.wan, sizeof answer.wan, "100.71.2.3");
    router_judge(&answer, 0, &findings);
    const struct finding *carrier = find(&findings, "carrier NAT");
    assert_int_equal(carrier->grade, FINDING_BAD);
    assert_non_null(strstr(carrier->hint, "IPv6"));
    assert_non_null(strstr(carrier->hint, "tunnel"));
    findings_finish(&findings);
    snprintf(answer.wan, sizeof answer.wan, "192.168.0.2");
    router_judge(&answer, 0, &findings);
    find(&findings, "double NAT");
    findings_finish(&findings);
}

static void test_silence_names_what_was_asked(void **state)
{
    struct router_answer answer = mapped();
    struct findings findings = {0};

    (void)state;
    answer.heard[ROUTER_NATPMP] = false;
    for (size_t i = 0; i < answer.count; i++)
        answer.ports[i].outcome = ROUTER_UNDONE;
    assert_false(router_fine(&answer));
    router_judge(&answer, 0, &findings);
    assert_int_equal(findings.count, 1);
    const struct finding *silence = find(&findings, "no router answered");
    assert_non_null(strstr(silence->sentence, HAVE_NATPMP ? "192.168.1.1" : "without NAT-PMP"));
    assert_non_null(
        strstr(silence->sentence, HAVE_MINIUPNPC ? "eth0 (192.168.1.7)" : "without UPnP"));
    findings_finish(&findings);
    answer = (struct router_answer){.count = 1};
    router_judge(&answer, 0, &findings);
    find(&findings, "no IPv4 address");
    findings_finish(&findings);
}

static void test_foreign_text_is_escaped(void **state)
{
    struct router_answer answer = mapped();
    struct findings findings = {0};

    (void)state;
    answer.ports[0].outcome = ROUTER_TAKEN;
    snprintf(answer.ports[0].holder, sizeof answer.ports[0].holder, "10.0.0.9 (\033[31m\xff)");
    assert_false(router_fine(&answer));
    router_judge(&answer, 0, &findings);
    const struct finding *taken = find(&findings, "10.0.0.9");
    assert_null(strchr(taken->sentence, '\033'));
    findings_finish(&findings);
    json_t *json = router_json(&answer);
    assert_non_null(json);
    const json_t *first = json_array_get(json_object_get(json, "ports"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "outcome")), "taken");
    assert_null(strchr(json_string_value(json_object_get(first, "holder")), '\033'));
    json_decref(json);
}

static void test_a_public_address_needs_no_router(void **state)
{
    struct router_answer answer = {.direct = true, .address = "45.45.45.7", .count = 1};
    struct findings findings = {0};

    (void)state;
    assert_true(router_fine(&answer));
    router_judge(&answer, 0, &findings);
    assert_int_equal(findings_worst(&findings), FINDING_GOOD);
    findings_finish(&findings);
}

/* ---- epochs ---- */

static void test_a_router_that_begins_anew_is_seen(void **state)
{
    static const struct {
        uint32_t first, second; /* what it said */
        int64_t after;          /* seconds between them */
        int lost;
    } cases[] = {
        {1000, 1060, 60, 0},   {1000, 1053, 60, 0}, /* its clock is slow by an eighth */
        {1000, 1049, 60, 1},   {1000, 0, 60, 1},
        {1000, 999, 1, 0},     {1000, 998, 1, 0},
        {1000, 997, 1, 1},     {0, 0, 2, 0},
        {0, 0, 60, 1},         {1000, 90000, 1, 0},
        {UINT32_MAX, 0, 1, 1}, {UINT32_MAX, UINT32_MAX, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct router_epoch epoch = {.known = false};
        nsec_t now = 5 * NSEC_PER_SEC;
        uint32_t said[] = {cases[i].first, cases[i].second};
        int r = -1;
        for (size_t at = 0; at < 2; at++, now += cases[i].after * NSEC_PER_SEC) {
            const char packet[] = {0,
                                   (char)128,
                                   0,
                                   0,
                                   (char)(said[at] >> 24),
                                   (char)(said[at] >> 16),
                                   (char)(said[at] >> 8),
                                   (char)said[at],
                                   1,
                                   2,
                                   3,
                                   4};
            r = router_epoch_hear(&epoch, span_of(packet, sizeof packet), now);
            assert_true(at || r == 0);
        }
        if (r != cases[i].lost)
            fail_msg("case %zu: %d", i, r);
    }
}

static void test_what_a_router_does_not_say_changes_nothing(void **state)
{
    static const char *const packets[] = {"", "\0\200\0\0\0\0\0", "\2\200\0\0\0\0\0\0\0\0\0\0",
                                          "\0\1\0\0\0\0\0\0\0\0\0\0"};
    static const size_t lengths[] = {0, 7, 12, 12};
    struct router_epoch epoch = {.known = false};

    (void)state;
    router_epoch_begin(&epoch, NSEC_PER_SEC);
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++)
        assert_int_equal(
            router_epoch_hear(&epoch, span_of(packets[i], lengths[i]), 100 * NSEC_PER_SEC),
            ERR_PROTOCOL);
    assert_int_equal(epoch.at, NSEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_router_that_begins_anew_is_seen),
        cmocka_unit_test(test_what_a_router_does_not_say_changes_nothing),
        cmocka_unit_test(test_addresses_outside),
        cmocka_unit_test(test_every_refusal_has_words_and_a_hint),
        cmocka_unit_test(test_leases_are_renewed_after_half_of_the_shortest),
        cmocka_unit_test(test_what_worked),
        cmocka_unit_test(test_carrier_nat_and_double_nat),
        cmocka_unit_test(test_silence_names_what_was_asked),
        cmocka_unit_test(test_foreign_text_is_escaped),
        cmocka_unit_test(test_a_public_address_needs_no_router),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
