/* Asking ports by SYNs of our own making.
 *
 * Rounds: the first asks every port, each further one those that have stayed silent. Three rounds
 * at least; more, and slower, as long as the last one still brought answers: then answers are being
 * lost. A port that has answered is asked again every few milliseconds (a canary), which tells how
 * much is lost while the others are silent.
 *
 *   run_round -> send_due -> rawnet_send
 *             -> listen    -> on_packet -> note_answer | note_canary */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/span.h"
#include "os/rawnet.h"
#include "os/route.h"
#include "scan/job.h"
#include "scan/packet.h"
#include "scan/rate.h"
#include "scan/scan.h"

enum {
    ROUNDS = 3,
    ROUNDS_MAX = 7,
    CANARY_ROUND = 15, /* in a sequence number */
    CANARIES = 128,    /* in flight at most */
    CANARY_PORTS = 8,  /* that are asked in turn */
};

static const nsec_t CANARY_PAUSE = 2 * NSEC_PER_MSEC;
static const nsec_t PATIENCE_MIN = 100 * NSEC_PER_MSEC; /* for an answer */
static const nsec_t PATIENCE_MAX = NSEC_PER_SEC;
static const nsec_t PATIENCE_UNKNOWN = 500 * NSEC_PER_MSEC; /* while nothing has answered */
static const nsec_t WHOLE_MIN = 1600 * NSEC_PER_MSEC;       /* before silence is believed */
static const nsec_t PROGRESS = 100 * NSEC_PER_MSEC;

struct canary {
    bool in_flight, answered;
    nsec_t sent;
};

struct host {
    struct scan_address source;
    bool skip; /* no way there */
};

struct syn_scan {
    struct scan_job *job;
    struct rawnet *net;
    struct scan_rate rate;
    struct host *hosts;
    uint16_t *order;        /* the ports' numbers in the order in which they are asked */
    uint16_t number[65536]; /* a port's number + 1; 0: not asked */
    uint64_t secret[2];
    uint64_t silent;        /* pairs of host and port without an answer */
    unsigned round;         /* from 1 */
    uint64_t round_answers; /* first answers to this round's questions */
    size_t cursor;          /* of this round's walk */
    nsec_t now, begun, progress;
    nsec_t rtt, rtt_variation; /* RFC 6298; 0: unknown */
    struct canary canaries[CANARIES];
    unsigned canary_next;
    size_t canary_pairs[CANARY_PORTS];
    unsigned canary_pair_count, canary_turn;
    nsec_t canary_at;
    struct rawnet_segment segments[RAWNET_BATCH];
    size_t pairs[RAWNET_BATCH];   /* which pair a segment asks */
    size_t cursors[RAWNET_BATCH]; /* where the walk stood at it */
};

/* ---- sequence numbers: they prove that an answer is one, and say to what ---- */

static uint32_t cookie(const struct syn_scan *scan, const struct scan_address *target,
                       uint16_t port)
{
    unsigned char bytes[19];

    bytes[0] = target->family;
    memcpy(bytes + 1, target->bytes, 16);
    memcpy(bytes + 17, &port, 2);
    return (uint32_t)hash_bytes(span_of((char *)bytes, sizeof bytes), scan->secret);
}

static uint32_t sequence_of(const struct syn_scan *scan, size_t pair, unsigned round,
                            unsigned canary)
{
    const struct scan_job *job = scan->job;
    uint32_t proof =
        cookie(scan, &job->hosts[pair / job->port_count], job->ports[pair % job->port_count]);

    return (proof & 0xfffff000) | canary << 4 | round;
}

/* ---- time ---- */

static nsec_t patience(const struct syn_scan *scan)
{
    nsec_t wait = scan->rtt ? scan->rtt + 4 * scan->rtt_variation : PATIENCE_UNKNOWN;

    return wait < PATIENCE_MIN ? PATIENCE_MIN : wait > PATIENCE_MAX ? PATIENCE_MAX : wait;
}

static void learn_rtt(struct syn_scan *scan, nsec_t rtt)
{
    if (!scan->rtt) {
        scan->rtt = rtt;
        scan->rtt_variation = rtt / 2;
    } else {
        nsec_t off = scan->rtt > rtt ? scan->rtt - rtt : rtt - scan->rtt;
        scan->rtt_variation += (off - scan->rtt_variation) / 4;
        scan->rtt += (rtt - scan->rtt) / 8;
    }
    scan_rate_round_trip(&scan->rate, scan->rtt);
}

static uint32_t stamp(const struct syn_scan *scan)
{
    return (uint32_t)((scan->now - scan->job->origin) / NSEC_PER_USEC);
}

/* ---- answers ---- */

static bool find_host(const struct scan_job *job, const struct scan_address *address,
                      size_t *ret_host)
{
    size_t low = 0, high = job->host_count; /* ascending, see scan.c */

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = job->hosts[middle].family != address->family
                        ? job->hosts[middle].family - address->family
                        : memcmp(job->hosts[middle].bytes, address->bytes, 16);
        if (order == 0) {
            *ret_host = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void note_canary(struct syn_scan *scan, unsigned number)
{
    struct canary *canary = &scan->canaries[number % CANARIES];

    if (!canary->in_flight || canary->answered)
        return;
    canary->answered = true;
    learn_rtt(scan, scan->now - canary->sent);
}

static void remember_canary_port(struct syn_scan *scan, size_t pair)
{
    if (scan->canary_pair_count < CANARY_PORTS)
        scan->canary_pairs[scan->canary_pair_count++] = pair;
}

static void note_answer(struct syn_scan *scan, size_t pair, const struct scan_reply *reply)
{
    struct scan_job *job = scan->job;
    struct scan_answer *answer = &job->answers[pair];
    unsigned round = reply->sequence & 15;
    bool icmp = reply->kind == SCAN_REPLY_ICMP;

    /* What the host itself says outweighs a box's word. */
    if (answer->state != SCAN_SILENT && !(answer->state == SCAN_FILTERED && !icmp))
        return;
    if (answer->state == SCAN_SILENT) {
        scan->silent--;
        scan->round_answers += round == scan->round;
        job->totals.answered_late += round > 1;
    }
    answer->round = (uint8_t)round;
    answer->ttl = reply->ttl;
    if (round == answer->asked) /* else it is unknown which sending it answers, Karn's rule */
        answer->rtt = stamp(scan) - answer->sent;
    if (icmp) {
        answer->state = SCAN_FILTERED;
        answer->reason = (uint8_t)scan_reason_of_icmp(reply->target.family == 6, reply->icmp_type,
                                                      reply->icmp_code);
        if (!scan_address_equal(&reply->from, &reply->target))
            answer->by = scan_boxes_number(job->boxes, &reply->from);
        return;
    }
    answer->state = reply->kind == SCAN_REPLY_SYN_ACK ? SCAN_OPEN : SCAN_CLOSED;
    answer->reason = reply->kind == SCAN_REPLY_SYN_ACK ? SCAN_SYN_ACK : SCAN_RESET;
    answer->by = 0;
    if (answer->rtt)
        learn_rtt(scan, answer->rtt * NSEC_PER_USEC);
    remember_canary_port(scan, pair);
}

static void on_packet(void *context, struct span packet, bool ipv6)
{
    struct syn_scan *scan = context;
    struct scan_reply reply;
    size_t host;

    if (scan_packet_read(packet, ipv6, rawnet_port(scan->net), &reply) < 0)
        return;
    unsigned number = scan->number[reply.port];
    if (!number || !find_host(scan->job, &reply.target, &host))
        return;
    size_t pair = host * scan->job->port_count + number - 1;
    if ((reply.sequence ^ sequence_of(scan, pair, 0, 0)) & 0xfffff000)
        return; /* somebody guesses */
    if ((reply.sequence & 15) == CANARY_ROUND)
        note_canary(scan, reply.sequence >> 4 & 255);
    else
        note_answer(scan, pair, &reply);
}

static int listen_all(struct syn_scan *scan)
{
    int got;

    scan->now = nsec_monotonic();
    do
        got = rawnet_receive(scan->net, on_packet, scan);
    while (got >= RAWNET_BATCH);
    return got < 0 ? got : 0;
}

/* ---- questions ---- */

static void fill(struct syn_scan *scan, unsigned at, size_t pair, uint32_t sequence)
{
    const struct scan_job *job = scan->job;
    size_t host = pair / job->port_count;
    struct rawnet_segment *segment = &scan->segments[at];
    const struct scan_syn syn = {
        .source = scan->hosts[host].source,
        .target = job->hosts[host],
        .source_port = rawnet_port(scan->net),
        .target_port = job->ports[pair % job->port_count],
        .sequence = sequence,
    };

    scan_address_to(&syn.target, 0, &segment->to);
    scan_packet_syn(&syn, segment->bytes);
    segment->len = SCAN_SYN_SIZE;
    scan->pairs[at] = pair;
}

/* The next pair of this round's walk: all hosts for one port, then all for the next, so that no
 * host is asked in one burst. @return false at the end */
static bool next_pair(struct syn_scan *scan, size_t *ret_pair, nsec_t *ret_wait_until)
{
    const struct scan_job *job = scan->job;

    for (; scan->cursor < job->host_count * job->port_count; scan->cursor++) {
        size_t host = scan->cursor % job->host_count;
        size_t pair = host * job->port_count + scan->order[scan->cursor / job->host_count];
        const struct scan_answer *answer = &job->answers[pair];
        if (answer->state != SCAN_SILENT || scan->hosts[host].skip)
            continue;
        *ret_wait_until =
            scan->round == 1 ? 0 : job->origin + answer->sent * NSEC_PER_USEC + patience(scan);
        *ret_pair = pair;
        return true;
    }
    return false;
}

/* A host to which this machine will not send: all of its ports are told so, once. */
static void give_up_host(struct syn_scan *scan, size_t host, int error)
{
    struct scan_job *job = scan->job;
    enum scan_reason reason = error == -ENETUNREACH    ? SCAN_NET_UNREACH
                              : error == -EHOSTUNREACH ? SCAN_HOST_UNREACH
                                                       : SCAN_NOT_SENT;

    scan->hosts[host].skip = true;
    for (size_t port = 0; port < job->port_count; port++) {
        struct scan_answer *answer = scan_job_answer(job, host, port);
        if (answer->state != SCAN_SILENT)
            continue;
        answer->state = SCAN_FILTERED;
        answer->reason = (uint8_t)reason;
        scan->silent--;
    }
}

static void mark_sent(struct syn_scan *scan, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct scan_answer *answer = &scan->job->answers[scan->pairs[i]];
        answer->sent = stamp(scan);
        answer->asked = (uint8_t)scan->round;
    }
    scan->job->totals.sent += count;
}

static bool is_passing(int error)
{
    return error == -EAGAIN || error == -ENOBUFS || error == -EINTR;
}

/* Sends what the rate allows. Segments that the kernel has no room for are taken up again.
 * @param ret_wake  when there is more to send; NSEC_NEVER at the round's end */
static void send_due(struct syn_scan *scan, nsec_t *ret_wake)
{
    unsigned due = scan_rate_take(&scan->rate, scan->now, RAWNET_BATCH), count = 0;
    int family = 0;
    nsec_t wait_until = 0;
    size_t pair;

    *ret_wake = scan_rate_next(&scan->rate);
    while (count < due) {
        if (!next_pair(scan, &pair, &wait_until)) {
            *ret_wake = NSEC_NEVER;
            break;
        }
        if (wait_until > scan->now) {
            *ret_wake = wait_until;
            break;
        }
        int its_family = scan->job->hosts[pair / scan->job->port_count].family;
        if (count && its_family != family)
            break;
        family = its_family;
        scan->cursors[count] = scan->cursor++;
        fill(scan, count++, pair, sequence_of(scan, pair, scan->round, 0));
    }
    if (!count)
        return;
    int sent = rawnet_send(scan->net, family == 4 ? AF_INET : AF_INET6, scan->segments, count);
    mark_sent(scan, sent < 0 ? 0 : (unsigned)sent);
    if (sent == (int)count)
        return;
    scan->cursor = scan->cursors[sent < 0 ? 0 : sent];
    if (sent < 0 && !is_passing(sent)) {
        scan->job->totals.cannot_send |= sent == -EPERM;
        give_up_host(scan, scan->pairs[0] / scan->job->port_count, sent);
    }
    *ret_wake = scan->now + NSEC_PER_MSEC;
}

static void send_canary(struct syn_scan *scan)
{
    if (!scan->canary_pair_count || scan->now < scan->canary_at)
        return;
    scan->canary_at = scan->now + CANARY_PAUSE;
    unsigned number = scan->canary_next % CANARIES;
    struct canary *canary = &scan->canaries[number];
    if (canary->in_flight) /* its predecessor of a whole turn ago is still awaited */
        return;
    size_t pair = scan->canary_pairs[scan->canary_turn++ % scan->canary_pair_count];
    fill(scan, 0, pair, sequence_of(scan, pair, CANARY_ROUND, number));
    int family = scan->job->hosts[pair / scan->job->port_count].family == 4 ? AF_INET : AF_INET6;
    if (rawnet_send(scan->net, family, scan->segments, 1) < 0)
        return;
    *canary = (struct canary){.in_flight = true, .sent = scan->now};
    scan->canary_next++;
    scan->job->totals.sent++;
}

static void judge_canaries(struct syn_scan *scan)
{
    for (unsigned i = 0; i < CANARIES; i++) {
        struct canary *canary = &scan->canaries[i];
        if (!canary->in_flight || (!canary->answered && scan->now - canary->sent < patience(scan)))
            continue;
        canary->in_flight = false;
        scan_rate_canary(&scan->rate, canary->answered);
        scan->job->totals.canaries++;
        scan->job->totals.canaries_lost += !canary->answered;
    }
}

/* ---- rounds ---- */

static bool is_stopped(const struct scan_job *job)
{
    return job->stop && *job->stop;
}

static void tell_progress(struct syn_scan *scan)
{
    const struct scan_job *job = scan->job;
    double pairs = (double)(job->host_count * job->port_count);
    double walked = (double)scan->cursor / pairs;
    double answered = 1 - (double)scan->silent / pairs;

    if (!job->on_progress || scan->now < scan->progress)
        return;
    scan->progress = scan->now + PROGRESS;
    /* A round walks fast over what has answered: what is left is the silent part of each. */
    double rounds = (scan->round - 1 + walked) / ROUNDS;
    double done = scan->round == 1 ? walked * (answered + (1 - answered) / ROUNDS)
                                   : answered + (1 - answered) * (rounds < 1 ? rounds : 1);
    job->on_progress(job->context, done < 1 ? done : 1);
}

static int run_round(struct syn_scan *scan)
{
    nsec_t wake;
    int r = 0;

    scan->cursor = 0;
    scan->round_answers = 0;
    while (r >= 0 && scan->silent && !is_stopped(scan->job)) {
        send_canary(scan);
        send_due(scan, &wake);
        if (wake == NSEC_NEVER)
            break;
        r = listen_all(scan);
        judge_canaries(scan);
        scan_rate_adapt(&scan->rate, scan->now);
        tell_progress(scan);
        /* Below the grain of a sleep the receiving is the waiting. */
        if (r >= 0 && wake > scan->now + NSEC_PER_MSEC / 20) {
            nsec_t canary = scan->canary_pair_count ? scan->canary_at : NSEC_NEVER;
            nsec_t until = wake < canary ? wake : canary;
            nsec_t most = 50 * NSEC_PER_MSEC;
            r = rawnet_wait(scan->net, until - scan->now < most ? until - scan->now : most);
            scan->now = nsec_monotonic();
        }
    }
    return r;
}

static int wait_for_the_last(struct syn_scan *scan)
{
    nsec_t until = nsec_monotonic() + patience(scan);
    int r = 0;

    scan->now = nsec_monotonic();
    while (r >= 0 && scan->silent && scan->now < until && !is_stopped(scan->job)) {
        nsec_t left = until - scan->now, most = 20 * NSEC_PER_MSEC;
        r = rawnet_wait(scan->net, left < most ? left : most);
        if (r >= 0)
            r = listen_all(scan);
        judge_canaries(scan);
    }
    return r;
}

/* Each silent port is asked three times, and again as long as that still brings answers. */
static int run_rounds(struct syn_scan *scan)
{
    int r = 0;

    for (scan->round = 1; r >= 0 && scan->round <= ROUNDS_MAX; scan->round++) {
        r = run_round(scan);
        scan->job->totals.rounds = scan->round;
        bool last = scan->round >= ROUNDS;
        if (r >= 0 && last)
            r = wait_for_the_last(scan);
        /* Where nothing at all was heard, the first packets may have waited for a neighbour's
         * address: a short scan asks once more. */
        bool too_short = !scan->rtt && scan->now - scan->begun < WHOLE_MIN;
        if (!scan->silent || is_stopped(scan->job) || (last && !scan->round_answers && !too_short))
            break;
        if (scan->round > 1 && scan->round_answers)
            scan_rate_slow_down(&scan->rate);
    }
    return r;
}

/* ---- before and after ---- */

static void look_up_routes(struct syn_scan *scan, bool *ret_on_link)
{
    struct scan_job *job = scan->job;

    *ret_on_link = true;
    for (size_t i = 0; i < job->host_count; i++) {
        struct sockaddr_storage to;
        struct route route;
        struct host *host = &scan->hosts[i];
        scan_address_to(&job->hosts[i], 0, &to);
        int r = route_look((const struct sockaddr *)&to, &route);
        if (r >= 0 && !scan_address_of((const struct sockaddr *)&route.source, &host->source))
            r = -ENETUNREACH;
        if (r < 0) {
            give_up_host(scan, i, r == -EHOSTUNREACH ? r : -ENETUNREACH);
            continue;
        }
        if (route.via_gateway)
            *ret_on_link = false;
    }
}

/* Well-known ports first: they answer most likely, and answers make canaries. The others in an
 * order that looks like none. */
static void choose_order(struct syn_scan *scan)
{
    static const uint16_t first[] = {443, 80, 22, 8443, 25, 53};
    const struct scan_job *job = scan->job;
    size_t placed = 0;

    for (size_t i = 0; i < job->port_count; i++)
        scan->order[i] = (uint16_t)i;
    for (size_t i = job->port_count; i > 1; i--) {
        size_t other = hash_bytes(span_of((char *)&i, sizeof i), scan->secret) % i;
        uint16_t swap = scan->order[i - 1];
        scan->order[i - 1] = scan->order[other];
        scan->order[other] = swap;
    }
    for (size_t f = 0; f < ARRAY_SIZE(first); f++)
        for (size_t i = placed; i < job->port_count; i++)
            if (job->ports[scan->order[i]] == first[f]) {
                uint16_t swap = scan->order[placed];
                scan->order[placed++] = scan->order[i];
                scan->order[i] = swap;
                break;
            }
}

static int prepare(struct syn_scan *scan)
{
    struct scan_job *job = scan->job;
    bool on_link;

    if (getrandom(scan->secret, sizeof scan->secret, 0) != sizeof scan->secret)
        return -EIO;
    scan->hosts = mem_zalloc(job->host_count * sizeof *scan->hosts);
    scan->order = mem_alloc(job->port_count * sizeof *scan->order);
    scan->silent = job->host_count * job->port_count;
    for (size_t i = 0; i < job->port_count; i++)
        scan->number[job->ports[i]] = (uint16_t)(i + 1);
    choose_order(scan);
    look_up_routes(scan, &on_link);
    scan->now = scan->begun = nsec_monotonic();
    scan_rate_init(&scan->rate, job->rate, on_link, job->rate > 0);
    return 0;
}

const bool scan_sends_syns = true;

int scan_syn(struct scan_job *job)
{
    scoped(mem_release) struct syn_scan *scan = mem_new(struct syn_scan);

    scan->job = job;
    int r = rawnet_open(&scan->net);
    if (r < 0)
        return r;
    r = prepare(scan);
    if (r >= 0)
        r = run_rounds(scan);
    job->totals.rate = scan->rate.now;
    rawnet_close(scan->net);
    free(scan->hosts);
    free(scan->order);
    return r;
}
