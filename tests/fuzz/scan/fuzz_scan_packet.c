/* Packets that claim to answer a scan. The first byte chooses the IP version. What is taken must
 * hold together: an address of the right family, and nothing taken from a packet too short to hold
 * it. */
#include <stdint.h>
#include <stdlib.h>

#include "scan/answers.h"
#include "scan/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scan_reply reply;

    if (size == 0)
        return 0;
    bool ipv6 = data[0] & 1;
    if (scan_packet_read(span_of((const char *)data + 1, size - 1), ipv6, 40000, &reply) < 0)
        return 0;
    if (reply.target.family != (ipv6 ? 6 : 4) || reply.from.family != reply.target.family)
        abort();
    if (reply.kind == SCAN_REPLY_ICMP && size < 1 + 20 + 8 + 20 + 8)
        abort();
    if (scan_reason_of_icmp(ipv6, reply.icmp_type, reply.icmp_code) >= SCAN_REASONS)
        abort();
    return 0;
}
