/* Rounds over all pairs of host and port, with a bounded number of sockets in flight.
 *
 *   run_round -> ask_more -> ask_one -> on_event -> note -> ask_more
 *                on_timeout: those that waited too long are dropped -> ask_more */
#include "scan/asker.h"

#include <errno.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "os/loop.h"

static const nsec_t POLL = 10 * NSEC_PER_MSEC;

struct asker;

struct question {
    struct list link; /* in `in_flight`, the oldest first */
    struct loop_watch watch;
    struct asker *asker;
    size_t pair;
    nsec_t begun;
};

struct asker {
    struct scan_job *job;
    const struct scan_asker_kind *kind;
    struct loop *loop;
    struct loop_timer timer;
    struct list in_flight;
    unsigned in_flight_count, in_flight_max;
    size_t cursor; /* of this round's walk */
    unsigned round;
    double rate;    /* questions a second; 0: no bound */
    nsec_t paid;    /* until when the rate is used up */
    nsec_t slowest; /* round trip so far; 0: none */
    int error;
};

static nsec_t patience(const struct asker *asker)
{
    const struct scan_asker_kind *kind = asker->kind;
    nsec_t wait = asker->slowest * 4 * asker->round;

    if (!asker->slowest)
        return kind->patience_first;
    return wait < kind->patience_min   ? kind->patience_min
           : wait > kind->patience_max ? kind->patience_max
                                       : wait;
}

static const struct scan_address *host_of(const struct scan_job *job, size_t pair)
{
    return &job->hosts[pair / job->port_count];
}

/* ---- answers ---- */

static void drop_question(struct question *question)
{
    loop_forget(question->asker->loop, &question->watch);
    dial_close(question->watch.fd);
    list_remove(&question->link);
    question->asker->in_flight_count--;
    free(question);
}

static void note(struct asker *asker, size_t pair, nsec_t took, int result,
                 const struct dial_failure *failure)
{
    struct scan_job *job = asker->job;
    struct scan_answer *answer = &job->answers[pair];

    scan_dialled(answer, job->boxes, result, failure);
    if (asker->kind->settle)
        asker->kind->settle(answer, job, host_of(job, pair));
    answer->round = (uint8_t)asker->round;
    answer->rtt = (uint32_t)(took / NSEC_PER_USEC);
    job->totals.answered_late += asker->round > 1;
    job->totals.cannot_send |= result == -EPERM;
    if (took > asker->slowest && (answer->state == SCAN_OPEN || answer->state == SCAN_CLOSED))
        asker->slowest = took;
}

static void ask_more(struct asker *asker);

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct question *question = container_of(watch, struct question, watch);
    struct asker *asker = question->asker;
    struct dial_failure failure = {0};
    int result = 0;

    if (!asker->kind->hear(watch->fd, &result, &failure))
        return;
    note(asker, question->pair, nsec_monotonic() - question->begun, result, &failure);
    drop_question(question);
    ask_more(asker);
}

/* ---- questions ---- */

/* The next that has not been asked in this round: all hosts for one port, then for the next. */
static bool next_pair(struct asker *asker, size_t *ret_pair)
{
    const struct scan_job *job = asker->job;

    for (; asker->cursor < job->host_count * job->port_count; asker->cursor++) {
        size_t pair =
            asker->cursor % job->host_count * job->port_count + asker->cursor / job->host_count;
        if (job->answers[pair].state != SCAN_SILENT || job->answers[pair].asked >= asker->round)
            continue;
        *ret_pair = pair;
        return true;
    }
    return false;
}

static bool is_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM ||
           error == -EADDRNOTAVAIL || error == -EAGAIN;
}

/* @return false when there is no room for another question just now */
static bool ask_one(struct asker *asker, size_t pair)
{
    struct scan_job *job = asker->job;
    nsec_t begun = nsec_monotonic();
    int fd = asker->kind->ask(host_of(job, pair), job->ports[pair % job->port_count]);

    if (is_shortage(fd)) {
        asker->in_flight_max = asker->in_flight_count > 1 ? asker->in_flight_count - 1 : 1;
        return false;
    }
    job->answers[pair].asked = (uint8_t)asker->round;
    job->totals.sent++;
    if (fd < 0) {
        const struct dial_failure failure = {.error = -fd};
        note(asker, pair, nsec_monotonic() - begun, fd, &failure);
        return true;
    }
    struct question *question = mem_new(struct question);
    *question = (struct question){
        .watch = {.fd = fd, .on_event = on_event}, .asker = asker, .pair = pair, .begun = begun};
    int r = loop_add(asker->loop, &question->watch, LOOP_EDGE);
    if (r < 0) {
        asker->error = r;
        dial_close(fd);
        free(question);
        loop_stop(asker->loop);
        return false;
    }
    list_append(&asker->in_flight, &question->link);
    asker->in_flight_count++;
    return true;
}

static bool may_ask(struct asker *asker)
{
    nsec_t now = nsec_monotonic();

    if (asker->in_flight_count >= asker->in_flight_max)
        return false;
    if (asker->rate <= 0)
        return true;
    if (asker->paid < now - POLL)
        asker->paid = now - POLL;
    if (asker->paid > now)
        return false;
    asker->paid += (nsec_t)((double)NSEC_PER_SEC / asker->rate);
    return true;
}

static void ask_more(struct asker *asker)
{
    size_t pair;

    while (!asker->error && may_ask(asker) && next_pair(asker, &pair)) {
        if (!ask_one(asker, pair))
            break;
        asker->cursor++;
    }
}

/* ---- rounds ---- */

static bool is_stopped(const struct scan_job *job)
{
    return job->stop && *job->stop;
}

static void tell_progress(const struct asker *asker)
{
    const struct scan_job *job = asker->job;
    double walked = (double)asker->cursor / (double)(job->host_count * job->port_count);

    if (job->on_progress)
        job->on_progress(job->context, (asker->round - 1 + walked) / asker->kind->rounds);
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct asker *asker = container_of(timer, struct asker, timer);
    size_t pair;

    while (!list_empty(&asker->in_flight)) {
        struct question *oldest = list_first(&asker->in_flight, struct question, link);
        if (now - oldest->begun < patience(asker))
            break;
        drop_question(oldest);
    }
    ask_more(asker);
    tell_progress(asker);
    if (is_stopped(asker->job) || (list_empty(&asker->in_flight) && !next_pair(asker, &pair)))
        loop_stop(asker->loop);
    else
        loop_timer_set(asker->loop, timer, now + POLL);
}

static int run_round(struct asker *asker)
{
    asker->cursor = 0;
    loop_timer_set(asker->loop, &asker->timer, nsec_monotonic());
    int r = loop_run(asker->loop);
    while (!list_empty(&asker->in_flight)) /* when it was stopped */
        drop_question(list_first(&asker->in_flight, struct question, link));
    loop_timer_cancel(asker->loop, &asker->timer);
    asker->job->totals.rounds = asker->round;
    return r < 0 ? r : asker->error;
}

static bool any_silent(const struct scan_job *job)
{
    for (size_t i = 0; i < job->host_count * job->port_count; i++)
        if (job->answers[i].state == SCAN_SILENT)
            return true;
    return false;
}

int scan_ask(struct scan_job *job, const struct scan_asker_kind *kind)
{
    struct asker asker = {.job = job,
                          .kind = kind,
                          .timer = {.on_timeout = on_timeout},
                          .in_flight_max = kind->in_flight_max,
                          .rate = job->rate};
    int r = loop_create(&asker.loop);

    if (r < 0)
        return r;
    if (kind->rate_max > 0 && (asker.rate <= 0 || asker.rate > kind->rate_max))
        asker.rate = kind->rate_max;
    list_init(&asker.in_flight);
    for (asker.round = 1; r >= 0 && asker.round <= kind->rounds; asker.round++) {
        r = run_round(&asker);
        if (is_stopped(job) || !any_silent(job))
            break;
    }
    loop_destroy(asker.loop);
    return r;
}
