/* Reading them once for all questions of a run, and only where there is a chain for what leaves. */
#include "firewall/trace/answer_rules.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/trace/explain.h"

struct answer_rules {
    bool read;
    int error; /* of reading */
    struct ruleset *ruleset;
    struct simulate_host host;
};

struct answer_rules *answer_rules_create(void)
{
    return mem_new(struct answer_rules);
}

void answer_rules_destroy(struct answer_rules *rules)
{
    if (!rules)
        return;
    ruleset_destroy(rules->ruleset);
    simulate_host_finish(&rules->host);
    free(rules);
}

static void read_all(struct answer_rules *rules)
{
    scoped(mem_release) char *why = NULL;

    rules->read = true;
    rules->error = ruleset_read_live(&rules->ruleset, &why);
    if (rules->error == 0)
        rules->error = simulate_host_look(&rules->host);
}

void answer_rules_follow(struct answer_rules *rules, const struct simulate_arrival *arrival,
                         const unsigned *user, struct firewall_path *path)
{
    if (!rules->read)
        read_all(rules);
    if (rules->error) {
        findings_add(&path->notes, FINDING_UNKNOWN, "answer",
                     "whether the answer gets out could not be told: %s", error_text(rules->error));
        return;
    }
    rules->host.user_known = user != NULL;
    rules->host.user = user ? *user : 0;
    simulate_answer(rules->ruleset, &rules->host, arrival, path);
    if (path->verdict == FIREWALL_DROPPED)
        explain_rules(path);
}
