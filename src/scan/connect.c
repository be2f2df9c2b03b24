/* Asking TCP ports by connecting to them, which needs no rights: many at once, the silent ones
 * twice.
 *
 *   next_question -> ask -> on_event or on_timeout -> finish_question -> next_question */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "os/dial.h"
#include "os/loop.h"
#include "scan/dialled.h"
#include "scan/job.h"

enum {
    ROUNDS = 2,
    FLYING_MOST = 4096, /* connections at once */
    FLYING_LEAST = 64,  /* what the limit of descriptors must leave */
    DESCRIPTORS_KEPT = 64,
};

static const nsec_t PATIENCE_FIRST = NSEC_PER_SEC; /* while no round trip is known */
static const nsec_t PATIENCE_LEAST = 250 * NSEC_PER_MSEC;
static const nsec_t PATIENCE_MOST = 3 * NSEC_PER_SEC;
static const nsec_t LOOK = 10 * NSEC_PER_MSEC;

struct connect_scan;

struct question {
    struct list link; /* in `flying`, the oldest first */
    struct loop_watch watch;
    struct connect_scan *scan;
    size_t pair;
    nsec_t begun;
};

struct connect_scan {
    struct scan_job *job;
    struct loop *loop;
    struct loop_timer timer;
    struct list flying;
    unsigned flying_count, flying_most;
    size_t cursor;
    unsigned round;
    nsec_t slowest; /* round trip so far */
    nsec_t paid;    /* until when the user's rate is used up */
    int error;
};

static nsec_t patience(const struct connect_scan *scan)
{
    nsec_t wait = scan->slowest * 4 * scan->round;

    if (!scan->slowest)
        return PATIENCE_FIRST;
    return wait < PATIENCE_LEAST ? PATIENCE_LEAST : wait > PATIENCE_MOST ? PATIENCE_MOST : wait;
}

/* ---- the end of a question ---- */

static void drop_question(struct question *question)
{
    loop_forget(question->scan->loop, &question->watch);
    close(question->watch.fd);
    list_remove(&question->link);
    question->scan->flying_count--;
    free(question);
}

/* @param result  0 connected, -errno with `failure` filled */
static void note(struct connect_scan *scan, size_t pair, nsec_t took, int result,
                 const struct dial_failure *failure)
{
    struct scan_answer *answer = &scan->job->answers[pair];

    scan_dialled(answer, scan->job->boxes, result, failure);
    answer->round = (uint8_t)scan->round;
    answer->rtt = (uint32_t)(took / NSEC_PER_USEC);
    scan->job->totals.answered_late += scan->round > 1;
    if (took > scan->slowest && (answer->state == SCAN_OPEN || answer->state == SCAN_CLOSED))
        scan->slowest = took;
}

static void ask_more(struct connect_scan *scan);

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct question *question = container_of(watch, struct question, watch);
    struct connect_scan *scan = question->scan;
    struct dial_failure failure = {0};
    int r = dial_result(watch->fd, &failure);

    if (r == -EINPROGRESS)
        return;
    note(scan, question->pair, loop_now(scan->loop) - question->begun, r, &failure);
    drop_question(question);
    ask_more(scan);
}

/* ---- asking ---- */

static bool next_pair(struct connect_scan *scan, size_t *ret_pair)
{
    const struct scan_job *job = scan->job;
    size_t pairs = job->host_count * job->port_count;

    for (; scan->cursor < pairs; scan->cursor++) {
        size_t pair =
            scan->cursor % job->host_count * job->port_count + scan->cursor / job->host_count;
        if (job->answers[pair].state != SCAN_SILENT || job->answers[pair].asked >= scan->round)
            continue;
        *ret_pair = pair;
        return true;
    }
    return false;
}

/* @return false when there is no room for another question just now */
static bool ask(struct connect_scan *scan, size_t pair)
{
    struct scan_job *job = scan->job;
    struct socket_address to = {0};
    nsec_t now = nsec_monotonic();

    to.len = scan_address_to(&job->hosts[pair / job->port_count],
                             job->ports[pair % job->port_count], &to.storage);
    int fd = dial_tcp(&to, 0);
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM || fd == -EADDRNOTAVAIL) {
        scan->flying_most = scan->flying_count > 1 ? scan->flying_count - 1 : 1;
        return false;
    }
    job->answers[pair].asked = (uint8_t)scan->round;
    job->totals.sent++;
    if (fd < 0) {
        struct dial_failure failure = {.error = -fd};
        note(scan, pair, nsec_monotonic() - now, fd, &failure);
        return true;
    }
    struct question *question = mem_new(struct question);
    *question =
        (struct question){.watch = {fd, on_event}, .scan = scan, .pair = pair, .begun = now};
    int r = loop_add(scan->loop, &question->watch, LOOP_EDGE);
    if (r < 0) {
        scan->error = r;
        close(fd);
        free(question);
        loop_stop(scan->loop);
        return false;
    }
    list_append(&scan->flying, &question->link);
    scan->flying_count++;
    return true;
}

static bool may_ask(struct connect_scan *scan)
{
    nsec_t now = nsec_monotonic();

    if (scan->flying_count >= scan->flying_most)
        return false;
    if (scan->job->rate <= 0)
        return true;
    if (scan->paid < now - LOOK)
        scan->paid = now - LOOK;
    if (scan->paid > now)
        return false;
    scan->paid += (nsec_t)((double)NSEC_PER_SEC / scan->job->rate);
    return true;
}

static void ask_more(struct connect_scan *scan)
{
    size_t pair;

    while (may_ask(scan) && next_pair(scan, &pair)) {
        if (!ask(scan, pair))
            break;
        scan->cursor++;
    }
}

/* ---- rounds ---- */

static void tell_progress(const struct connect_scan *scan)
{
    const struct scan_job *job = scan->job;
    double walked = (double)scan->cursor / (double)(job->host_count * job->port_count);

    if (job->on_progress)
        job->on_progress(job->context, (scan->round - 1 + walked) / ROUNDS);
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct connect_scan *scan = container_of(timer, struct connect_scan, timer);
    size_t pair;

    while (!list_empty(&scan->flying)) {
        struct question *oldest = list_first(&scan->flying, struct question, link);
        if (now - oldest->begun < patience(scan))
            break;
        drop_question(oldest);
    }
    ask_more(scan);
    tell_progress(scan);
    bool stopped = scan->job->stop && *scan->job->stop;
    if (stopped || (list_empty(&scan->flying) && !next_pair(scan, &pair)))
        loop_stop(scan->loop);
    else
        loop_timer_set(scan->loop, timer, now + LOOK);
}

static int run_round(struct connect_scan *scan)
{
    scan->cursor = 0;
    ask_more(scan);
    loop_timer_set(scan->loop, &scan->timer, nsec_monotonic() + LOOK);
    int r = loop_run(scan->loop);
    while (!list_empty(&scan->flying)) /* when it was stopped */
        drop_question(list_first(&scan->flying, struct question, link));
    scan->job->totals.rounds = scan->round;
    return r < 0 ? r : scan->error;
}

static bool any_silent(const struct scan_job *job)
{
    for (size_t i = 0; i < job->host_count * job->port_count; i++)
        if (job->answers[i].state == SCAN_SILENT)
            return true;
    return false;
}

/* As many connections at once as this process may have descriptors. */
static unsigned flying_most(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FLYING_LEAST;
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (raised.rlim_cur > FLYING_MOST + DESCRIPTORS_KEPT)
        raised.rlim_cur = FLYING_MOST + DESCRIPTORS_KEPT;
    if (raised.rlim_cur > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    if (limit.rlim_cur >= FLYING_MOST + DESCRIPTORS_KEPT)
        return FLYING_MOST;
    return limit.rlim_cur > FLYING_LEAST + DESCRIPTORS_KEPT
               ? (unsigned)limit.rlim_cur - DESCRIPTORS_KEPT
               : FLYING_LEAST;
}

int scan_connect(struct scan_job *job)
{
    struct connect_scan scan = {
        .job = job, .timer = {.on_timeout = on_timeout}, .flying_most = flying_most()};
    int r = loop_create(&scan.loop);

    if (r < 0)
        return r;
    list_init(&scan.flying);
    for (scan.round = 1; r >= 0 && scan.round <= ROUNDS; scan.round++) {
        r = run_round(&scan);
        if ((job->stop && *job->stop) || !any_silent(job))
            break;
    }
    loop_destroy(scan.loop);
    return r;
}
