/* Asking UDP ports: a datagram, then an answer, an ICMP error or silence. Targets limit how many
 * ICMP errors they send, so questions are spread out and repeated. */
#include <errno.h>
#include <string.h>

#include "scan/asker.h"

enum {
    QUIC_SIZE = 1200, /* bytes: servers answer no smaller Initial (RFC 9000 section 14.1) */
};

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

static int ask(const struct scan_address *host, uint16_t port)
{
    unsigned char datagram[QUIC_SIZE];
    struct socket_address to = {0};

    to.len = scan_address_to(host, port, &to.storage);
    int fd = dial_udp(&to);
    if (fd < 0)
        return fd;
    ssize_t sent = dial_send(fd, datagram, question_of(port, datagram));
    if (sent >= 0 || sent == -ECONNREFUSED)
        return fd;
    dial_close(fd);
    return (int)sent;
}

static bool hear(int fd, int *ret_result, struct dial_failure *ret_failure)
{
    char byte;

    ssize_t got = dial_receive(fd, &byte, 1);
    if (got >= 0 || got == -EMSGSIZE) { /* of more than one byte, as Windows says it */
        *ret_result = 0;
        return true;
    }
    if (got == -EAGAIN || got == -EINTR)
        return false;
    int error = (int)-got;
    dial_take_failure(fd, error, ret_failure);
    *ret_result = -error;
    return true;
}

/* That a port is unreachable, from the host itself, is what a port without a listener answers
 * (RFC 1122 section 4.1.3.1); from another box it is a filter's word. */
static void settle(struct scan_answer *answer, const struct scan_job *job,
                   const struct scan_address *host)
{
    if (answer->state == SCAN_OPEN) {
        answer->reason = SCAN_UDP_RESPONSE;
    } else if (answer->reason == SCAN_PORT_UNREACH || answer->reason == SCAN_CONN_REFUSED) {
        bool own = !answer->by || scan_address_equal(&job->boxes->items[answer->by - 1], host);
        answer->state = own ? SCAN_CLOSED : SCAN_FILTERED;
        answer->reason = SCAN_PORT_UNREACH;
        answer->by = own ? 0 : answer->by;
    }
}

int scan_udp(struct scan_job *job)
{
    static const struct scan_asker_kind kind = {
        .rounds = 3,
        .in_flight_max = 256,
        .rate_max = 2000,
        .patience_first = NSEC_PER_SEC / 2,
        .patience_min = NSEC_PER_SEC / 2,
        .patience_max = NSEC_PER_SEC,
        .ask = ask,
        .hear = hear,
        .settle = settle,
    };

    return scan_ask(job, &kind);
}
