/* Asks the policies of a worker at each stage. The limits of connections are asked first, since
 * they need no request. */
#include "protect/stages.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/ban_table.h"
#include "protect/counts.h"

struct policy_place {
    const struct protect_policy *table;
    void *policy;
};

struct protect {
    struct peers *peers;
    unsigned worker;
    struct limits_settings limits;
    const struct ban_table *bans;  /* NULL: none */
    struct protect_counts *counts; /* NULL: none */
    struct policy_place policies[PROTECT_POLICIES_MAX];
    unsigned count;
    bool sees_requests; /* a policy has on_request; the rest likewise */
    bool sees_responses;
    bool sees_ends;
};

struct protect *protect_create(struct peers *peers, unsigned worker)
{
    struct protect *protect = mem_new(struct protect);

    protect->peers = peers;
    protect->worker = worker;
    return protect;
}

void protect_destroy(struct protect *protect)
{
    free(protect);
}

void protect_set_limits(struct protect *protect, const struct limits_settings *limits)
{
    protect->limits = *limits;
}

int protect_add_policy(struct protect *protect, const struct protect_policy *table, void *policy)
{
    if (protect->count == PROTECT_POLICIES_MAX)
        return ERR_LIMIT;
    protect->policies[protect->count++] = (struct policy_place){table, policy};
    protect->sees_requests |= table->on_request != NULL;
    protect->sees_responses |= table->on_response != NULL;
    protect->sees_ends |= table->on_closed != NULL;
    return 0;
}

void protect_set_bans(struct protect *protect, const struct ban_table *table)
{
    protect->bans = table;
}

void protect_set_counts(struct protect *protect, struct protect_counts *counts)
{
    protect->counts = counts;
}

static void count(const struct protect *protect, unsigned policy, bool refused, nsec_t now)
{
    if (protect->counts)
        protect_count(protect->counts, protect->worker, policy, refused, now);
}

struct verdict protect_accept(struct protect *protect, struct client *client, nsec_t now)
{
    const char *reason = NULL;

    if (protect->bans && client->secure && ban_table_find(protect->bans, client->address, now))
        reason = "the address is banned";
    else
        client->counted = peers_enter(protect->peers, protect->worker, client->address,
                                      (uint32_t)protect->limits.connections_per_address);
    if (likely(client->counted))
        return verdict_pass();
    count(protect, PROTECT_COUNTS_MAX, true, now);
    return verdict_refuse(0, reason ? reason : "too many connections of this address");
}

void protect_release(struct protect *protect, struct client *client)
{
    if (client->counted)
        peers_leave(protect->peers, protect->worker, client->address);
    client->counted = false;
}

static bool is_final(const struct verdict *verdict)
{
    return verdict->kind == VERDICT_ANSWER || verdict->kind == VERDICT_REFUSE;
}

struct verdict protect_request(struct protect *protect, struct protect_question *question)
{
    if (!protect->sees_requests)
        return verdict_pass();
    while (question->asked < protect->count) {
        unsigned number = question->asked++;
        const struct policy_place *place = &protect->policies[number];
        if (!place->table->on_request)
            continue;
        struct verdict verdict = place->table->on_request(place->policy, question, number);
        if (verdict.kind == VERDICT_WAIT)
            question->waiting = 1u << number;
        if (is_final(&verdict))
            question->refused_by = place->table;
        if (verdict.kind != VERDICT_PASS)
            return verdict;
    }
    return verdict_pass();
}

struct verdict protect_body(struct protect *protect, struct protect_question *question,
                            struct span bytes)
{
    for (unsigned i = 0; question->inspecting >> i; i++) {
        const struct policy_place *place = &protect->policies[i];
        if (!(question->inspecting & 1u << i))
            continue;
        struct verdict verdict = place->table->on_body(place->policy, question, i, bytes);
        if (is_final(&verdict)) {
            question->refused_by = place->table;
            return verdict;
        }
        question->waiting &= ~(1u << i);
        if (verdict.kind == VERDICT_WAIT)
            question->waiting |= 1u << i;
    }
    return (struct verdict){.kind = question->waiting ? VERDICT_WAIT : VERDICT_PASS};
}

void protect_decide(struct protect_question *question, unsigned number,
                    const struct verdict *verdict)
{
    if (!(question->waiting & 1u << number))
        return;
    question->waiting &= ~(1u << number);
    if (is_final(verdict) || !question->waiting)
        question->on_verdict(question, verdict);
}

struct verdict protect_response(struct protect *protect, struct protect_question *question,
                                struct http_response *response)
{
    if (!protect->sees_responses)
        return verdict_pass();
    for (unsigned i = 0; i < protect->count; i++) {
        const struct policy_place *place = &protect->policies[i];
        if (!place->table->on_response)
            continue;
        struct verdict verdict = place->table->on_response(place->policy, question, i, response);
        if (is_final(&verdict)) {
            question->refused_by = place->table;
            return verdict;
        }
    }
    return verdict_pass();
}

void protect_closed(struct protect *protect, struct protect_question *question, enum http_end end)
{
    for (unsigned i = 0; i < protect->count; i++) {
        bool refused = question->refused_by == protect->policies[i].table;
        if (unlikely(refused || question->watched & 1u << i))
            count(protect, i, refused, question->now);
    }
    if (!protect->sees_ends)
        return;
    for (unsigned i = 0; i < protect->count; i++)
        if (protect->policies[i].table->on_closed)
            protect->policies[i].table->on_closed(protect->policies[i].policy, question, i, end);
}
