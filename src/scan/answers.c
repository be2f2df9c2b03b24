/* Words for what ports answer. */
#include "scan/answers.h"

static const struct {
    const char *name, *words;
} reasons[SCAN_REASONS] = {
    [SCAN_NO_RESPONSE] = {"no-response", "no answer"},
    [SCAN_SYN_ACK] = {"syn-ack", "accepts connections"},
    [SCAN_RESET] = {"reset", "nothing listens there"},
    [SCAN_CONN_REFUSED] = {"conn-refused", "nothing listens there"},
    [SCAN_UDP_RESPONSE] = {"udp-response", "answers"},
    [SCAN_PORT_UNREACH] = {"port-unreach", "refused by an ICMP message"},
    [SCAN_HOST_UNREACH] = {"host-unreach", "the host cannot be reached"},
    [SCAN_NET_UNREACH] = {"net-unreach", "there is no way to its network"},
    [SCAN_ADMIN_PROHIBITED] = {"admin-prohibited", "a firewall prohibits it"},
    [SCAN_HOST_PROHIBITED] = {"host-prohibited", "a firewall prohibits the host"},
    [SCAN_NET_PROHIBITED] = {"net-prohibited", "a firewall prohibits the network"},
    [SCAN_TIME_EXCEEDED] = {"time-exceeded", "packets run in circles on the way"},
    [SCAN_PROTO_UNREACH] = {"proto-unreach", "the host refuses the protocol"},
    [SCAN_NO_NEIGHBOUR] = {"host-unreach", "no host has that address on this network"},
    [SCAN_NOT_SENT] = {"not-sent", "this machine refuses to send there"},
};

uint16_t scan_boxes_number(struct scan_boxes *boxes, const struct scan_address *box)
{
    for (unsigned i = 0; i < boxes->count; i++)
        if (scan_address_equal(&boxes->items[i], box))
            return (uint16_t)(i + 1);
    if (boxes->count == SCAN_BOXES_MAX)
        return 0;
    boxes->items[boxes->count++] = *box;
    return (uint16_t)boxes->count;
}

const char *scan_reason_name(enum scan_reason reason)
{
    return reasons[reason].name;
}

const char *scan_reason_words(enum scan_state state, enum scan_reason reason)
{
    if (state == SCAN_CLOSED) /* a UDP port says so by ICMP */
        reason = SCAN_RESET;
    return reasons[reason].words;
}

const char *scan_state_name(const struct scan_answer *answer, bool udp)
{
    switch (answer->state) {
    case SCAN_OPEN:
        return "open";
    case SCAN_CLOSED:
        return "closed";
    case SCAN_SILENT:
        return udp && answer->reason == SCAN_NO_RESPONSE ? "open|filtered" : "filtered";
    default:
        return "filtered";
    }
}

static enum scan_reason reason_of_icmp6(unsigned type, unsigned code)
{
    static const enum scan_reason codes[] = {
        SCAN_NET_UNREACH,  SCAN_ADMIN_PROHIBITED, SCAN_HOST_UNREACH,     SCAN_HOST_UNREACH,
        SCAN_PORT_UNREACH, SCAN_ADMIN_PROHIBITED, SCAN_ADMIN_PROHIBITED,
    };

    if (type == 3)
        return SCAN_TIME_EXCEEDED;
    return code < ARRAY_SIZE(codes) ? codes[code] : SCAN_HOST_UNREACH;
}

enum scan_reason scan_reason_of_icmp(bool ipv6, unsigned type, unsigned code)
{
    static const enum scan_reason codes[] = {
        [0] = SCAN_NET_UNREACH,    [1] = SCAN_HOST_UNREACH,      [2] = SCAN_PROTO_UNREACH,
        [3] = SCAN_PORT_UNREACH,   [4] = SCAN_HOST_UNREACH,      [5] = SCAN_HOST_UNREACH,
        [6] = SCAN_NET_UNREACH,    [7] = SCAN_HOST_UNREACH,      [8] = SCAN_HOST_UNREACH,
        [9] = SCAN_NET_PROHIBITED, [10] = SCAN_HOST_PROHIBITED,  [11] = SCAN_NET_UNREACH,
        [12] = SCAN_HOST_UNREACH,  [13] = SCAN_ADMIN_PROHIBITED,
    };

    if (ipv6)
        return reason_of_icmp6(type, code);
    if (type == 11)
        return SCAN_TIME_EXCEEDED;
    return code < ARRAY_SIZE(codes) ? codes[code] : SCAN_ADMIN_PROHIBITED;
}
