/* What a probe hears where it speaks no protocol: a server of the web waits to be asked, others
 * greet at once, and a forwarding without anything behind it hangs up. */
#include "probe/run.h"

/* For the first word, ns: servers that greet do so within two round trips. */
#define PATIENCE (1 * NSEC_PER_SEC)

void protocol_begin(struct probe_run *run)
{
    nsec_t until = nsec_monotonic() + PATIENCE;

    run->probe->stage = PROBE_TLS;
    loop_timer_set(run->request.loop, &run->timer,
                   until < run->request.deadline ? until : run->request.deadline);
}

bool protocol_receive(struct probe_run *run, struct span bytes)
{
    /* `first` has their beginning */
    probe_conclude_other(run);
    return false;
}

int protocol_timeout(const struct probe_run *run)
{
    return PROBE_DONE; /* as a server of the web should */
}

bool protocol_is_in_handshake(const struct probe_run *run)
{
    return false;
}

void protocol_conclude(struct probe_run *run)
{
    /* nothing was settled */
}

void protocol_finish(struct probe_run *run)
{
    /* There is none. */
}
