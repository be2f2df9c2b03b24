/* NAT-PMP (RFC 6886) by libnatpmp: a datagram there, a datagram back. */
#include <arpa/inet.h>
#include <natpmp.h>
#include <poll.h>
#include <stdio.h>

#include "router/router_protocols.h"

/* RFC 6886 section 3.1 doubles the wait from 250 ms on up to 64 s. A router is a metre away: what
 * has not come after 250 and 500 ms does not come. */
#define PATIENCE (800 * NSEC_PER_MSEC)

static nsec_t sooner(nsec_t a, nsec_t b)
{
    return a < b ? a : b;
}

/* Waits for the answer to what was sent. @return 0, or a NATPMP_ERR_* */
static int await(natpmp_t *natpmp, nsec_t until, natpmpresp_t *ret_answer)
{
    int r = NATPMP_TRYAGAIN;

    while (r == NATPMP_TRYAGAIN) {
        struct timeval wait = {0};
        nsec_t left = until - nsec_monotonic();
        if (left <= 0)
            return NATPMP_ERR_NOGATEWAYSUPPORT;
        getnatpmprequesttimeout(natpmp, &wait);
        nsec_t retry = (nsec_t)wait.tv_sec * NSEC_PER_SEC + wait.tv_usec * NSEC_PER_USEC;
        struct pollfd ready = {.fd = natpmp->s, .events = POLLIN};
        poll(&ready, 1, (int)(sooner(left, retry > 0 ? retry : 0) / NSEC_PER_MSEC) + 1);
        r = readnatpmpresponseorretry(natpmp, ret_answer);
    }
    return r;
}

/* The library's values for the result codes of RFC 6886 section 3.5 count down from -50. */
static int result_code(int error)
{
    switch (error) {
    case NATPMP_ERR_UNSUPPORTEDVERSION:
        return 1;
    case NATPMP_ERR_NOTAUTHORIZED:
        return 2;
    case NATPMP_ERR_NETWORKFAILURE:
        return 3;
    case NATPMP_ERR_OUTOFRESOURCES:
        return 4;
    case NATPMP_ERR_UNSUPPORTEDOPCODE:
        return 5;
    default:
        return 0;
    }
}

static int request_mapping(natpmp_t *natpmp, const struct router_port *port, uint16_t outside,
                           uint32_t lease, natpmpresp_t *ret_answer)
{
    int protocol = port->port.protocol == PORT_TCP ? NATPMP_PROTOCOL_TCP : NATPMP_PROTOCOL_UDP;
    int r = sendnewportmappingrequest(natpmp, protocol, port->port.number, outside, lease);

    return r < 0 ? r : await(natpmp, nsec_monotonic() + PATIENCE, ret_answer);
}

static void map(natpmp_t *natpmp, const struct router_request *request, struct router_port *port)
{
    natpmpresp_t answer = {0};
    int r = request_mapping(natpmp, port, port->port.number, request->lease, &answer);

    if (r == 0 && answer.pnu.newportmapping.mappedpublicport == port->port.number) {
        port->outcome = ROUTER_MAPPED;
        port->lease = answer.pnu.newportmapping.lifetime;
    } else if (r == 0) {
        /* A router that has given the port away offers another one, which helps nobody here. */
        port->outcome = ROUTER_TAKEN;
        if (request_mapping(natpmp, port, 0, 0, &answer) < 0)
            port->holder[0] = '\0'; /* it ends with its lease */
    } else if (result_code(r)) {
        port->outcome = ROUTER_REFUSED;
        port->code = result_code(r);
    }
}

/* RFC 6886 section 3.4: a lifetime of 0 takes back; what was not there is answered the same. */
static void unmap(natpmp_t *natpmp, struct router_port *port)
{
    natpmpresp_t answer = {0};
    int r = request_mapping(natpmp, port, 0, 0, &answer);

    if (r == 0) {
        port->outcome = ROUTER_REMOVED;
    } else if (result_code(r)) {
        port->outcome = ROUTER_REFUSED;
        port->code = result_code(r);
    }
}

void router_natpmp(const struct router_task *task, struct router_answer *answer)
{
    natpmp_t natpmp;
    natpmpresp_t outside = {0};

    if (initnatpmp(&natpmp, 1, task->router.s_addr) < 0)
        return;
    int r = sendpublicaddressrequest(&natpmp);
    if (r >= 0)
        r = await(&natpmp, sooner(nsec_monotonic() + PATIENCE, task->until), &outside);
    answer->heard[ROUTER_NATPMP] = r == 0 || result_code(r) > 1;
    if (r == 0)
        inet_ntop(AF_INET, &outside.pnu.publicaddress.addr, answer->wan, sizeof answer->wan);
    for (size_t i = 0; answer->heard[ROUTER_NATPMP] && i < answer->count; i++) {
        struct router_port *port = &answer->ports[i];
        port->speech = ROUTER_NATPMP;
        if (task->request->close)
            unmap(&natpmp, port);
        else
            map(&natpmp, task->request, port);
    }
    closenatpmp(&natpmp);
}
