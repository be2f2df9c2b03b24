/* Which policies are asked at which stage, and what the first that does not let pass decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/protect.h"

struct policy {
    struct verdict request;
    struct verdict body;
    struct verdict response;
    int requests, bodies, responses, ends;
    bool inspects;
};

static struct verdict on_request(void *policy, struct protect_question *question, unsigned number)
{
    struct policy *p = policy;

    p->requests++;
    if (p->inspects)
        question->inspecting |= 1u << number;
    return p->request;
}

static struct verdict on_body(void *policy, struct protect_question *question, unsigned number,
                              struct span bytes)
{
    struct policy *p = policy;

    (void)question, (void)number, (void)bytes;
    p->bodies++;
    return p->body;
}

static struct verdict on_response(void *policy, struct protect_question *question, unsigned number,
                                  struct http_response *response)
{
    struct policy *p = policy;

    (void)question, (void)number, (void)response;
    p->responses++;
    return p->response;
}

static void on_closed(void *policy, struct protect_question *question, unsigned number,
                      enum http_end end)
{
    struct policy *p = policy;

    (void)question, (void)number, (void)end;
    p->ends++;
}

static const struct protect_policy table = {"test", on_request, on_body, on_response, on_closed};

struct rig {
    void *memory;
    struct peers *peers;
    struct protect *protect;
    struct protect_question question;
    struct policy policies[2];
    struct verdict heard;
    int verdicts;
};

static void on_verdict(struct protect_question *question, const struct verdict *verdict)
{
    struct rig *rig = container_of(question, struct rig, question);

    rig->heard = *verdict;
    rig->verdicts++;
}

static int setup(void **state)
{
    static const uint64_t secret[2] = {1, 2};
    struct rig *rig = mem_new(struct rig);

    rig->memory = mem_zalloc(peers_size(1));
    rig->peers = peers_create(rig->memory, 1, secret);
    rig->protect = protect_create(rig->peers, 0);
    rig->question.on_verdict = on_verdict;
    for (int i = 0; i < 2; i++)
        assert_int_equal(protect_add_policy(rig->protect, &table, &rig->policies[i]), 0);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    protect_destroy(rig->protect);
    protect_destroy(NULL);
    peers_destroy(rig->peers);
    free(rig->memory);
    free(rig);
    return 0;
}

static void test_stages_connections_of_one_address_are_bounded(void **state)
{
    struct rig *rig = *state;
    const struct limits_settings limits = {.connections_per_address = 2};
    struct client clients[3] = {{.port = 1}, {.port = 2}, {.port = 3}};

    protect_set_limits(rig->protect, &limits);
    assert_int_equal(protect_accept(rig->protect, &clients[0], 1).kind, VERDICT_PASS);
    assert_int_equal(protect_accept(rig->protect, &clients[1], 1).kind, VERDICT_PASS);
    assert_int_equal(protect_accept(rig->protect, &clients[2], 1).kind, VERDICT_REFUSE);
    protect_release(rig->protect, &clients[2]); /* was not counted */
    assert_int_equal(protect_accept(rig->protect, &clients[2], 1).kind, VERDICT_REFUSE);
    protect_release(rig->protect, &clients[0]);
    assert_int_equal(protect_accept(rig->protect, &clients[2], 1).kind, VERDICT_PASS);
}

static void test_stages_the_first_that_refuses_decides(void **state)
{
    struct rig *rig = *state;

    rig->policies[0].request = verdict_refuse(403, "no");
    struct verdict verdict = protect_request(rig->protect, &rig->question);
    assert_int_equal(verdict.kind, VERDICT_REFUSE);
    assert_int_equal(verdict.status, 403);
    assert_int_equal(rig->policies[1].requests, 0);
    protect_closed(rig->protect, &rig->question, HTTP_END_DONE);
    assert_int_equal(rig->policies[0].ends + rig->policies[1].ends, 2);
}

static void test_stages_waiting_goes_on_behind_the_policy(void **state)
{
    struct rig *rig = *state;
    struct verdict pass = verdict_pass();

    rig->policies[0].request.kind = VERDICT_WAIT;
    assert_int_equal(protect_request(rig->protect, &rig->question).kind, VERDICT_WAIT);
    assert_int_equal(rig->policies[1].requests, 0);
    protect_decide(&rig->question, 1, &pass); /* nobody waits for that one */
    assert_int_equal(rig->verdicts, 0);
    protect_decide(&rig->question, 0, &pass);
    assert_int_equal(rig->verdicts, 1);
    protect_decide(&rig->question, 0, &pass); /* once */
    assert_int_equal(rig->verdicts, 1);
    assert_int_equal(protect_request(rig->protect, &rig->question).kind, VERDICT_PASS);
    assert_int_equal(rig->policies[0].requests, 1);
    assert_int_equal(rig->policies[1].requests, 1);
}

static void test_stages_only_who_inspects_sees_the_body(void **state)
{
    struct rig *rig = *state;

    rig->policies[1].inspects = true;
    assert_int_equal(protect_request(rig->protect, &rig->question).kind, VERDICT_PASS);
    assert_int_equal(protect_body(rig->protect, &rig->question, SPAN("x")).kind, VERDICT_PASS);
    assert_int_equal(rig->policies[0].bodies, 0);
    assert_int_equal(rig->policies[1].bodies, 1);
}

static void test_stages_a_body_waits_until_all_let_it_pass(void **state)
{
    struct rig *rig = *state;
    struct verdict pass = verdict_pass();

    rig->policies[0].inspects = rig->policies[1].inspects = true;
    rig->policies[0].body.kind = rig->policies[1].body.kind = VERDICT_WAIT;
    assert_int_equal(protect_request(rig->protect, &rig->question).kind, VERDICT_PASS);
    assert_int_equal(protect_body(rig->protect, &rig->question, SPAN("x")).kind, VERDICT_WAIT);
    rig->policies[0].body.kind = VERDICT_PASS;
    assert_int_equal(protect_body(rig->protect, &rig->question, SPAN("y")).kind, VERDICT_WAIT);
    protect_decide(&rig->question, 1, &pass);
    assert_int_equal(rig->verdicts, 1);
    assert_int_equal(rig->heard.kind, VERDICT_PASS);
}

static void test_stages_a_refusal_does_not_wait_for_others(void **state)
{
    struct rig *rig = *state;
    struct verdict refuse = verdict_refuse(403, "bad body");

    rig->policies[0].inspects = rig->policies[1].inspects = true;
    rig->policies[0].body.kind = rig->policies[1].body.kind = VERDICT_WAIT;
    assert_int_equal(protect_request(rig->protect, &rig->question).kind, VERDICT_PASS);
    assert_int_equal(protect_body(rig->protect, &rig->question, SPAN("x")).kind, VERDICT_WAIT);
    protect_decide(&rig->question, 0, &refuse);
    assert_int_equal(rig->heard.kind, VERDICT_REFUSE);
    rig->policies[0].body = refuse;
    assert_int_equal(protect_body(rig->protect, &rig->question, SPAN("x")).status, 403);
}

static void test_stages_responses_are_seen_by_all(void **state)
{
    struct rig *rig = *state;
    struct http_response response = {.status = 200};

    rig->policies[0].response.kind = VERDICT_WAIT; /* no answer here */
    rig->policies[1].response = verdict_refuse(502, "leaks");
    struct verdict verdict = protect_response(rig->protect, &rig->question, &response);
    assert_int_equal(verdict.status, 502);
    assert_int_equal(rig->policies[0].responses, 1);
}

static void test_stages_policies_are_bounded(void **state)
{
    struct rig *rig = *state;

    for (int i = 2; i < PROTECT_POLICIES_MAX; i++)
        assert_int_equal(protect_add_policy(rig->protect, &table, &rig->policies[0]), 0);
    assert_int_equal(protect_add_policy(rig->protect, &table, &rig->policies[0]), ERR_LIMIT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stages_connections_of_one_address_are_bounded),
        TEST(test_stages_the_first_that_refuses_decides),
        TEST(test_stages_waiting_goes_on_behind_the_policy),
        TEST(test_stages_only_who_inspects_sees_the_body),
        TEST(test_stages_a_body_waits_until_all_let_it_pass),
        TEST(test_stages_a_refusal_does_not_wait_for_others),
        TEST(test_stages_responses_are_seen_by_all),
        TEST(test_stages_policies_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
