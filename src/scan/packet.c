/* Writing and reading of headers, each length checked before what it covers is read. */
#include "scan/packet.h"

#include "base/error.h"

enum {
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_ACK = 16,
    TCP_MIN = 20,  /* bytes of a TCP header without options */
    IP4_MIN = 20,  /* bytes of an IPv4 header without options */
    IP6_SIZE = 40, /* bytes of an IPv6 header */
    ICMP_SIZE = 8, /* bytes before the packet that an ICMP error quotes */
    QUOTED_MIN = 8 /* bytes of our segment that every error quotes (RFC 792) */
};

static uint16_t get16(const unsigned char *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

static uint32_t get32(const unsigned char *b)
{
    return (uint32_t)get16(b) << 16 | get16(b + 2);
}

static void put16(unsigned char *b, uint16_t value)
{
    b[0] = (unsigned char)(value >> 8);
    b[1] = (unsigned char)value;
}

/* ---- writing ---- */

/* The Internet checksum's sum (RFC 1071) of an even number of bytes. */
static uint32_t sum_of(const unsigned char *b, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i += 2)
        sum += get16(b + i);
    return sum;
}

void scan_packet_syn(const struct scan_syn *syn, unsigned char ret_bytes[SCAN_SYN_SIZE])
{
    unsigned char *b = ret_bytes;
    unsigned len = scan_address_bits(&syn->target) / 8;

    memset(b, 0, SCAN_SYN_SIZE);
    put16(b, syn->source_port);
    put16(b + 2, syn->target_port);
    put16(b + 4, (uint16_t)(syn->sequence >> 16));
    put16(b + 6, (uint16_t)syn->sequence);
    b[12] = SCAN_SYN_SIZE / 4 << 4;
    b[13] = TCP_SYN;
    put16(b + 14, 64240); /* window */
    b[20] = 2;            /* maximum segment size, without which some boxes drop a SYN */
    b[21] = 4;
    put16(b + 22, 1440);
    /* Pseudo header: addresses, length, protocol. */
    uint32_t sum = sum_of(b, SCAN_SYN_SIZE, SCAN_SYN_SIZE + IPPROTO_TCP);
    sum = sum_of(syn->source.bytes, len, sum);
    sum = sum_of(syn->target.bytes, len, sum);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put16(b + 16, (uint16_t)~sum);
}

/* ---- reading ---- */

static struct scan_address address4(const unsigned char *b)
{
    struct scan_address address = {.family = 4};

    memcpy(address.bytes, b, 4);
    return address;
}

static struct scan_address address6(const unsigned char *b)
{
    struct scan_address address = {.family = 6};

    memcpy(address.bytes, b, 16);
    return address;
}

/* An IP header of either version, and what follows it. */
struct ip {
    struct scan_address source, target;
    uint8_t protocol, ttl;
    struct span body;
};

static int read_ip4(struct span packet, struct ip *ip)
{
    const unsigned char *b = (const unsigned char *)packet.ptr;

    if (packet.len < IP4_MIN || b[0] >> 4 != 4 || (get16(b + 6) & 0x1fff) != 0)
        return ERR_SYNTAX;
    size_t header = (size_t)(b[0] & 15) * 4;
    if (header < IP4_MIN || packet.len < header)
        return ERR_SYNTAX;
    *ip = (struct ip){address4(b + 12), address4(b + 16), b[9], b[8], span_from(packet, header)};
    return 0;
}

static int read_ip6(struct span packet, struct ip *ip)
{
    const unsigned char *b = (const unsigned char *)packet.ptr;

    if (packet.len < IP6_SIZE || b[0] >> 4 != 6)
        return ERR_SYNTAX;
    *ip = (struct ip){address6(b + 8), address6(b + 24), b[6], b[7], span_from(packet, IP6_SIZE)};
    return 0;
}

static int read_ip(struct span packet, bool ipv6, struct ip *ip)
{
    return ipv6 ? read_ip6(packet, ip) : read_ip4(packet, ip);
}

static int read_tcp(const struct ip *ip, uint16_t our_port, struct scan_reply *reply)
{
    const unsigned char *b = (const unsigned char *)ip->body.ptr;

    if (ip->body.len < TCP_MIN || get16(b + 2) != our_port)
        return ERR_SYNTAX;
    bool syn_ack = (b[13] & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == (TCP_SYN | TCP_ACK);
    if (!syn_ack && !(b[13] & TCP_RST))
        return ERR_SYNTAX;
    *reply = (struct scan_reply){
        .kind = syn_ack ? SCAN_REPLY_SYN_ACK : SCAN_REPLY_RESET,
        .target = ip->source,
        .from = ip->source,
        .port = get16(b),
        .sequence = get32(b + 8) - 1, /* both acknowledge our SYN */
        .ttl = ip->ttl,
    };
    return 0;
}

/* RFC 792 and RFC 4443: what was not delivered is quoted from its IP header on. */
static int read_icmp(const struct ip *ip, bool ipv6, uint16_t our_port, struct scan_reply *reply)
{
    const unsigned char *b = (const unsigned char *)ip->body.ptr;
    struct ip quoted;

    if (ip->body.len < ICMP_SIZE || read_ip(span_from(ip->body, ICMP_SIZE), ipv6, &quoted) < 0)
        return ERR_SYNTAX;
    bool undelivered = ipv6 ? b[0] == 1 || b[0] == 3 : b[0] == 3 || b[0] == 11;
    const unsigned char *ours = (const unsigned char *)quoted.body.ptr;
    if (!undelivered || quoted.protocol != IPPROTO_TCP || quoted.body.len < QUOTED_MIN ||
        get16(ours) != our_port)
        return ERR_SYNTAX;
    *reply = (struct scan_reply){
        .kind = SCAN_REPLY_ICMP,
        .target = quoted.target,
        .from = ip->source,
        .port = get16(ours + 2),
        .sequence = get32(ours + 4),
        .ttl = ip->ttl,
        .icmp_type = b[0],
        .icmp_code = b[1],
    };
    return 0;
}

int scan_packet_read(struct span packet, bool ipv6, uint16_t our_port, struct scan_reply *ret_reply)
{
    struct ip ip;
    struct scan_reply reply;
    int r = read_ip(packet, ipv6, &ip);

    if (r < 0)
        return r;
    if (ip.protocol == IPPROTO_TCP)
        r = read_tcp(&ip, our_port, &reply);
    else if (ip.protocol == (ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
        r = read_icmp(&ip, ipv6, our_port, &reply);
    else
        r = ERR_SYNTAX;
    if (r >= 0)
        *ret_reply = reply;
    return r;
}
