/* Ethernet, IPv4 or IPv6, TCP or UDP, with their checksums. */
#include "firewall/trace/probe_frame.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
    ETHERNET_SIZE = 14,
    IPV4_SIZE = 20,
    IPV6_SIZE = 40,
    TCP_SIZE = 40,     /* with the options that Linux sends: MSS, SACK, timestamps, window scale */
    UDP_SIZE = 8 + 16, /* with a payload */
    HOPS = 61,         /* as if it had come a short way */
};

int probe_marks_draw(struct probe_marks *ret_marks)
{
    uint16_t port;

    if (getrandom(ret_marks, sizeof *ret_marks, 0) != (ssize_t)sizeof *ret_marks)
        return errno ? -errno : -EIO;
    port = ret_marks->source_port;
    ret_marks->flow = (ret_marks->flow & ((1U << PROBE_FLOW_BITS) - 1)) | 1;
    ret_marks->token &= 0x7ffffffe; /* so that the numbers that acknowledge it do not wrap */
    ret_marks->ip_id |= 1;          /* 0 would be renumbered by some */
    ret_marks->source_port = (uint16_t)(32768 + port % (61000 - 32768));
    return 0;
}

static void put16(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

/* Sum of 16-bit words; odd bytes are padded with zero. */
static uint32_t sum_words(uint32_t sum, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (len % 2)
        sum += (uint32_t)bytes[len - 1] << 8;
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static size_t write_tcp(unsigned char *at, const struct probe_marks *marks)
{
    static const unsigned char options[] = {
        2, 4, 0x05, 0xb4,                         /* MSS 1460 */
        4, 2, 8,    10,   0, 1, 0, 1, 0, 0, 0, 0, /* SACK permitted, timestamps */
        1, 3, 3,    7,                            /* window scale 7 */
    };

    put32(at + 4, marks->token);
    at[12] = TCP_SIZE / 4 << 4;
    at[13] = 2; /* SYN */
    put16(at + 14, 64240);
    memcpy(at + 20, options, sizeof options);
    return TCP_SIZE;
}

static size_t write_udp(unsigned char *at, const struct probe_marks *marks)
{
    put16(at + 4, UDP_SIZE);
    put32(at + 8, marks->token);
    return UDP_SIZE;
}

static size_t write_ip(unsigned char *at, const struct firewall_probe *probe,
                       const struct probe_marks *marks, size_t payload)
{
    if (probe->family == AF_INET6) {
        put32(at, 0x60000000 | marks->flow);
        put16(at + 4, (uint32_t)payload);
        at[6] = (unsigned char)probe->protocol;
        at[7] = HOPS;
        memcpy(at + 8, probe->source, 16);
        memcpy(at + 24, probe->destination, 16);
        return IPV6_SIZE;
    }
    at[0] = 0x45;
    put16(at + 2, (uint32_t)(IPV4_SIZE + payload));
    put16(at + 4, marks->ip_id);
    at[6] = 0x40; /* don't fragment */
    at[8] = HOPS;
    at[9] = (unsigned char)probe->protocol;
    memcpy(at + 12, probe->source, 4);
    memcpy(at + 16, probe->destination, 4);
    put16(at + 10, fold(sum_words(0, at, IPV4_SIZE)));
    return IPV4_SIZE;
}

size_t probe_frame_write(const struct firewall_probe *probe, const struct probe_marks *marks,
                         const unsigned char hardware[6], unsigned char frame[PROBE_FRAME_MAX])
{
    static const unsigned char sender[6] = {0x02, 0, 0, 0, 0, 0x99}; /* locally administered */
    bool six = probe->family == AF_INET6, tcp = probe->protocol == IPPROTO_TCP;
    size_t address = six ? 16 : 4;

    memset(frame, 0, PROBE_FRAME_MAX);
    memcpy(frame, hardware, 6);
    memcpy(frame + 6, sender, 6);
    put16(frame + 12, six ? 0x86dd : 0x0800);
    size_t payload = tcp ? TCP_SIZE : UDP_SIZE;
    unsigned char *transport =
        frame + ETHERNET_SIZE + write_ip(frame + ETHERNET_SIZE, probe, marks, payload);
    put16(transport, probe->source_port ? probe->source_port : marks->source_port);
    put16(transport + 2, probe->port);
    (void)(tcp ? write_tcp(transport, marks) : write_udp(transport, marks));
    uint32_t sum = sum_words((uint32_t)probe->protocol + (uint32_t)payload, probe->source, address);
    sum = sum_words(sum, probe->destination, address);
    uint32_t check = fold(sum_words(sum, transport, payload));
    /* UDP says "no checksum" with 0, so that a sum of 0 is written as its other form. */
    put16(transport + (tcp ? 16 : 6), check || tcp ? check : 0xffff);
    return (size_t)(transport - frame) + payload;
}
