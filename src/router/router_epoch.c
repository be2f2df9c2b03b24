/* The epoch of a NAT-PMP router. */
#include "router/router_epoch.h"

#include "base/error.h"

enum { VERSION = 0, ANSWER = 128, SLACK = 2 /* s */ };

void router_epoch_begin(struct router_epoch *epoch, nsec_t now)
{
    if (!epoch->known)
        *epoch = (struct router_epoch){.known = true, .at = now};
}

static uint32_t big_endian(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

int router_epoch_hear(struct router_epoch *epoch, struct span packet, nsec_t now)
{
    if (packet.len < 8 || packet.ptr[0] != VERSION || (unsigned char)packet.ptr[1] < ANSWER)
        return ERR_PROTOCOL;
    uint32_t seconds = big_endian(packet.ptr + 4);
    /* Its clock may be slower than ours by an eighth: more is a new beginning. */
    nsec_t passed = epoch->known ? (now - epoch->at) / NSEC_PER_SEC : 0;
    int64_t expected = (int64_t)epoch->seconds + passed * 7 / 8 - SLACK;
    bool lost = epoch->known && (int64_t)seconds < expected;

    *epoch = (struct router_epoch){.known = true, .seconds = seconds, .at = now};
    return lost;
}
