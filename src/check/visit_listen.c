/* What a visit hears where it cannot talk: a server of the web waits to be asked, others greet at
 * once, and a forwarding without anything behind it hangs up. */
#include "check/visit_run.h"

/* For the first word, ns: servers that greet do so within two round trips. */
#define PATIENCE (1 * NSEC_PER_SEC)

void talk_begin(struct visit_run *run)
{
    nsec_t until = nsec_monotonic() + PATIENCE;

    run->visit->stage = VISIT_TLS;
    loop_timer_set(run->request.loop, &run->timer,
                   until < run->request.deadline ? until : run->request.deadline);
}

bool talk_take(struct visit_run *run, struct span bytes)
{
    /* `first` has their beginning */
    visit_conclude_other(run);
    return false;
}

int talk_silence(const struct visit_run *run)
{
    return VISIT_DONE; /* as a server of the web should */
}

bool talk_is_in_handshake(const struct visit_run *run)
{
    return false;
}

void talk_conclude(struct visit_run *run)
{
    /* nothing was settled */
}

void talk_finish(struct visit_run *run)
{
    /* There is none. */
}
