/* Asking UDP ports: a datagram, then an answer, an ICMP error or silence. Each port has a socket of
 * its own, so that the kernel says which one an error is about. Targets limit how many ICMP errors
 * they send, so questions are spread out and repeated.
 *
 *   on_timeout -> ask_more -> ask -> on_event -> finish_question */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "os/dial.h"
#include "os/loop.h"
#include "scan/dialled.h"
#include "scan/job.h"

enum {
    ROUNDS = 3,
    FLYING_MOST = 256,
    QUIC_SIZE = 1200, /* bytes: servers answer no smaller Initial (RFC 9000 section 14.1) */
};

static const nsec_t PATIENCE = 500 * NSEC_PER_MSEC;
static const nsec_t LOOK = 10 * NSEC_PER_MSEC;
static const double DATAGRAMS = 2000; /* a second, unless the user says otherwise */

struct udp_scan;

struct question {
    struct list link;
    struct loop_watch watch;
    struct udp_scan *scan;
    size_t pair;
    nsec_t begun;
};

struct udp_scan {
    struct scan_job *job;
    struct loop *loop;
    struct loop_timer timer;
    struct list flying;
    unsigned flying_count;
    size_t cursor;
    unsigned round;
    nsec_t paid;
};

/* ---- the datagrams ---- */

/* A long header with a version that is reserved for forcing negotiation (RFC 9000 section 15): any
 * QUIC server answers with the versions that it speaks, and keeps no state. */
static size_t quic_question(unsigned char datagram[QUIC_SIZE])
{
    static const unsigned char head[] = {
        0xc0,                                            /* long header, fixed bit */
        0x1a, 0x2a, 0x3a, 0x4a,                          /* version */
        8,    'g',  'a',  'r',  'd', 'i', 'e', 'n', '1', /* destination connection ID */
        8,    'g',  'a',  'r',  'd', 'i', 'e', 'n', '2', /* source connection ID */
    };

    memset(datagram, 0, QUIC_SIZE);
    memcpy(datagram, head, sizeof head);
    return QUIC_SIZE;
}

/* "version.bind", class CHAOS: what any DNS server answers (RFC 1035). */
static size_t dns_question(unsigned char datagram[QUIC_SIZE])
{
    static const unsigned char question[] = {
        0x67, 0x72, 1,   0,   0,   1, 0,   0,   0,   0,   0, 0, 7,  'v', 'e',
        'r',  's',  'i', 'o', 'n', 4, 'b', 'i', 'n', 'd', 0, 0, 16, 0,   3,
    };

    memcpy(datagram, question, sizeof question);
    return sizeof question;
}

static size_t question_of(uint16_t port, unsigned char datagram[QUIC_SIZE])
{
    return port == 53 ? dns_question(datagram) : quic_question(datagram);
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

static void finish_question(struct question *question, int result,
                            const struct dial_failure *failure)
{
    struct udp_scan *scan = question->scan;
    struct scan_answer *answer = &scan->job->answers[question->pair];
    const struct scan_address *host = &scan->job->hosts[question->pair / scan->job->port_count];

    scan_dialled(answer, scan->job->boxes, result, failure);
    answer->round = (uint8_t)scan->round;
    answer->rtt = (uint32_t)((nsec_monotonic() - question->begun) / NSEC_PER_USEC);
    scan->job->totals.answered_late += scan->round > 1;
    if (answer->state == SCAN_OPEN) {
        answer->reason = SCAN_UDP_RESPONSE;
    } else if (answer->reason == SCAN_PORT_UNREACH || answer->reason == SCAN_CONN_REFUSED) {
        /* From the host itself it is what a port without a listener answers (RFC 1122 4.1.3.1). */
        bool own =
            !answer->by || scan_address_equal(&scan->job->boxes->items[answer->by - 1], host);
        answer->state = own ? SCAN_CLOSED : SCAN_FILTERED;
        answer->reason = SCAN_PORT_UNREACH;
        answer->by = own ? 0 : answer->by;
    }
    drop_question(question);
}

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct question *question = container_of(watch, struct question, watch);
    struct dial_failure failure = {0};
    char byte;

    if (recv(watch->fd, &byte, 1, MSG_DONTWAIT) >= 0) {
        finish_question(question, 0, &failure);
        return;
    }
    int error = errno;
    if (error == EAGAIN || error == EINTR)
        return;
    dial_take_failure(watch->fd, error, &failure);
    finish_question(question, -error, &failure);
}

/* ---- asking ---- */

static bool next_pair(struct udp_scan *scan, size_t *ret_pair)
{
    const struct scan_job *job = scan->job;

    for (; scan->cursor < job->host_count * job->port_count; scan->cursor++) {
        size_t pair =
            scan->cursor % job->host_count * job->port_count + scan->cursor / job->host_count;
        if (job->answers[pair].state != SCAN_SILENT || job->answers[pair].asked >= scan->round)
            continue;
        *ret_pair = pair;
        return true;
    }
    return false;
}

/* @return a socket that has sent its question, or -errno */
static int send_question(const struct scan_job *job, size_t pair)
{
    unsigned char datagram[QUIC_SIZE];
    struct socket_address to = {0};
    uint16_t port = job->ports[pair % job->port_count];

    to.len = scan_address_to(&job->hosts[pair / job->port_count], port, &to.storage);
    int fd = dial_udp(&to);
    if (fd < 0)
        return fd;
    if (send(fd, datagram, question_of(port, datagram), 0) < 0 && errno != ECONNREFUSED) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static int ask(struct udp_scan *scan, size_t pair)
{
    struct scan_job *job = scan->job;
    int fd = send_question(job, pair);

    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM || fd == -EAGAIN)
        return fd;
    job->answers[pair].asked = (uint8_t)scan->round;
    job->totals.sent++;
    if (fd < 0) {
        struct dial_failure failure = {.error = -fd};
        job->totals.cannot_send |= fd == -EPERM;
        scan_dialled(&job->answers[pair], job->boxes, fd, &failure);
        return 0;
    }
    struct question *question = mem_new(struct question);
    *question = (struct question){
        .watch = {fd, on_event}, .scan = scan, .pair = pair, .begun = nsec_monotonic()};
    int r = loop_add(scan->loop, &question->watch, LOOP_LEVEL);
    if (r < 0) {
        close(fd);
        free(question);
        return r;
    }
    list_append(&scan->flying, &question->link);
    scan->flying_count++;
    return 0;
}

static void ask_more(struct udp_scan *scan, nsec_t now)
{
    double rate = scan->job->rate > 0 && scan->job->rate < DATAGRAMS ? scan->job->rate : DATAGRAMS;
    size_t pair;

    if (scan->paid < now - LOOK)
        scan->paid = now - LOOK;
    while (scan->flying_count < FLYING_MOST && scan->paid <= now && next_pair(scan, &pair)) {
        if (ask(scan, pair) < 0)
            break;
        scan->cursor++;
        scan->paid += (nsec_t)((double)NSEC_PER_SEC / rate);
    }
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct udp_scan *scan = container_of(timer, struct udp_scan, timer);
    const struct scan_job *job = scan->job;
    double walked = (double)scan->cursor / (double)(job->host_count * job->port_count);
    size_t pair;

    while (!list_empty(&scan->flying)) {
        struct question *oldest = list_first(&scan->flying, struct question, link);
        if (now - oldest->begun < PATIENCE)
            break;
        drop_question(oldest);
    }
    ask_more(scan, now);
    if (job->on_progress)
        job->on_progress(job->context, (scan->round - 1 + walked) / ROUNDS);
    if ((job->stop && *job->stop) || (list_empty(&scan->flying) && !next_pair(scan, &pair)))
        loop_stop(scan->loop);
    else
        loop_timer_set(scan->loop, timer, now + LOOK);
}

int scan_udp(struct scan_job *job)
{
    struct udp_scan scan = {.job = job, .timer = {.on_timeout = on_timeout}};
    int r = loop_create(&scan.loop);

    if (r < 0)
        return r;
    list_init(&scan.flying);
    for (scan.round = 1; r >= 0 && scan.round <= ROUNDS && !(job->stop && *job->stop);
         scan.round++) {
        scan.cursor = 0;
        loop_timer_set(scan.loop, &scan.timer, nsec_monotonic());
        r = loop_run(scan.loop);
        while (!list_empty(&scan.flying))
            drop_question(list_first(&scan.flying, struct question, link));
        job->totals.rounds = scan.round;
    }
    loop_destroy(scan.loop);
    return r;
}
