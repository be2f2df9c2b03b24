/* Header bytes with a mask of what is unknown, and the fields that rules name in them. */
#include "firewall/model/packet.h"

#include "os/net.h"
#include <string.h>

struct field {
    const char *protocol;
    const char *name;
    unsigned offset; /* bits */
    unsigned len;
    enum value_type type;
};

static const struct field fields[] = {
    {"ip", "version", 0, 4, TYPE_NUMBER},     {"ip", "hdrlength", 4, 4, TYPE_NUMBER},
    {"ip", "dscp", 8, 6, TYPE_NUMBER},        {"ip", "ecn", 14, 2, TYPE_NUMBER},
    {"ip", "length", 16, 16, TYPE_NUMBER},    {"ip", "id", 32, 16, TYPE_NUMBER},
    {"ip", "frag-off", 48, 16, TYPE_NUMBER},  {"ip", "ttl", 64, 8, TYPE_NUMBER},
    {"ip", "protocol", 72, 8, TYPE_PROTOCOL}, {"ip", "checksum", 80, 16, TYPE_NUMBER},
    {"ip", "saddr", 96, 32, TYPE_IPV4},       {"ip", "daddr", 128, 32, TYPE_IPV4},
    {"ip6", "version", 0, 4, TYPE_NUMBER},    {"ip6", "dscp", 4, 6, TYPE_NUMBER},
    {"ip6", "ecn", 10, 2, TYPE_NUMBER},       {"ip6", "flowlabel", 12, 20, TYPE_NUMBER},
    {"ip6", "length", 32, 16, TYPE_NUMBER},   {"ip6", "nexthdr", 48, 8, TYPE_PROTOCOL},
    {"ip6", "hoplimit", 56, 8, TYPE_NUMBER},  {"ip6", "saddr", 64, 128, TYPE_IPV6},
    {"ip6", "daddr", 192, 128, TYPE_IPV6},    {"tcp", "sport", 0, 16, TYPE_NUMBER},
    {"tcp", "dport", 16, 16, TYPE_NUMBER},    {"tcp", "sequence", 32, 32, TYPE_NUMBER},
    {"tcp", "ackseq", 64, 32, TYPE_NUMBER},   {"tcp", "doff", 96, 4, TYPE_NUMBER},
    {"tcp", "reserved", 100, 4, TYPE_NUMBER}, {"tcp", "flags", 104, 8, TYPE_TCP_FLAGS},
    {"tcp", "window", 112, 16, TYPE_NUMBER},  {"tcp", "checksum", 128, 16, TYPE_NUMBER},
    {"tcp", "urgptr", 144, 16, TYPE_NUMBER},  {"udp", "sport", 0, 16, TYPE_NUMBER},
    {"udp", "dport", 16, 16, TYPE_NUMBER},    {"udp", "length", 32, 16, TYPE_NUMBER},
    {"udp", "checksum", 48, 16, TYPE_NUMBER}, {"th", "sport", 0, 16, TYPE_NUMBER},
    {"th", "dport", 16, 16, TYPE_NUMBER},
};

bits_t bytes_to_bits(const unsigned char *bytes, size_t count)
{
    bits_t number = 0;

    for (size_t i = 0; i < count && i < 16; i++)
        number = number << 8 | bytes[i];
    return number;
}

static struct value header_get(const struct packet_header *header, const struct field *field)
{
    struct value value = {.type = field->type, .bits = field->len};

    if (field->offset + field->len > 8 * header->len)
        return value_unknown(field->type, field->len);
    for (unsigned bit = field->offset; bit < field->offset + field->len; bit++) {
        unsigned shift = 7 - bit % 8;
        value.number = value.number << 1 | (header->bytes[bit / 8] >> shift & 1);
        value.unknown = value.unknown << 1 | (header->unknown[bit / 8] >> shift & 1);
    }
    return value;
}

static void header_set(struct packet_header *header, const struct field *field, struct value value)
{
    for (unsigned i = 0; i < field->len && field->offset + field->len <= 8 * header->len; i++) {
        unsigned bit = field->offset + field->len - 1 - i;
        unsigned char mask = (unsigned char)(1 << (7 - bit % 8));
        header->bytes[bit / 8] &= (unsigned char)~mask;
        header->unknown[bit / 8] &= (unsigned char)~mask;
        if (value.number >> i & 1)
            header->bytes[bit / 8] |= mask;
        if (value.unknown >> i & 1)
            header->unknown[bit / 8] |= mask;
    }
}

static const char *network_name(const struct packet *packet)
{
    return packet->family == AF_INET ? "ip" : "ip6";
}

static const char *transport_name(const struct packet *packet)
{
    return packet->protocol == IPPROTO_TCP ? "tcp" : "udp";
}

enum header { NO_HEADER, NETWORK_HEADER, TRANSPORT_HEADER };

/* The header of this packet that a protocol's name means. */
static enum header header_of(const struct packet *packet, const char *protocol)
{
    if (strcmp(protocol, network_name(packet)) == 0)
        return NETWORK_HEADER;
    if (strcmp(protocol, transport_name(packet)) == 0 || strcmp(protocol, "th") == 0)
        return TRANSPORT_HEADER;
    return NO_HEADER;
}

static const struct field *field_find(const char *protocol, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(fields[i].protocol, protocol) == 0 && strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* A header that no TCP or UDP packet over IP has. */
static bool never_there(const char *protocol)
{
    static const char *const others[] = {"ip",   "ip6",  "tcp",     "udp", "icmp", "icmpv6", "igmp",
                                         "sctp", "dccp", "udplite", "esp", "ah",   "comp",   "arp"};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (strcmp(others[i], protocol) == 0)
            return true;
    return false;
}

struct value packet_field(const struct packet *packet, const char *protocol, const char *field)
{
    enum header header = header_of(packet, protocol);
    const struct field *found = header ? field_find(protocol, field) : NULL;

    if (found)
        return header_get(header == NETWORK_HEADER ? &packet->network : &packet->transport, found);
    if (strcmp(protocol, "ether") == 0 && strcmp(field, "type") == 0)
        return value_known(TYPE_ETHERTYPE, 16, packet->family == AF_INET ? 0x0800 : 0x86dd);
    if (strcmp(protocol, "ether") == 0)
        return value_unknown(TYPE_ETHER, 48);
    return !header && never_there(protocol) ? value_absent() : value_unknown(TYPE_NUMBER, 128);
}

struct value packet_bits(const struct packet *packet, const char *base, uint64_t offset,
                         unsigned len)
{
    struct field field = {base, base, (unsigned)offset, len, TYPE_NUMBER};

    if (strcmp(base, "nh") == 0)
        return header_get(&packet->network, &field);
    if (strcmp(base, "th") == 0)
        return header_get(&packet->transport, &field);
    return value_unknown(TYPE_NUMBER, len);
}

void packet_set(struct packet *packet, const char *protocol, const char *field, struct value value)
{
    enum header header = header_of(packet, protocol);
    const struct field *found = header ? field_find(protocol, field) : NULL;

    if (found)
        header_set(header == NETWORK_HEADER ? &packet->network : &packet->transport, found, value);
}

static void set_number(struct packet *packet, const char *protocol, const char *field, unsigned n)
{
    packet_set(packet, protocol, field, value_known(TYPE_NUMBER, 32, n));
}

static void init_network(struct packet *packet, const struct firewall_probe *probe)
{
    static const unsigned char any[sizeof probe->destination];
    const char *network = network_name(packet);

    packet->network.len = packet->family == AF_INET ? 20 : 40;
    memset(packet->network.unknown, 0xff, packet->network.len);
    set_number(packet, network, "version", packet->family == AF_INET ? 4 : 6);
    set_number(packet, "ip", "hdrlength", 5);
    set_number(packet, "ip", "protocol", (unsigned)packet->protocol);
    set_number(packet, "ip6", "nexthdr", (unsigned)packet->protocol);
    if (!probe->out || memcmp(probe->source, any, sizeof any) != 0)
        packet_set(packet, network, "saddr", value_of_address(packet->family, probe->source));
    if (memcmp(probe->destination, any, sizeof any) != 0)
        packet_set(packet, network, "daddr", value_of_address(packet->family, probe->destination));
}

void packet_init(struct packet *packet, const struct firewall_probe *probe)
{
    *packet = (struct packet){.family = probe->family, .protocol = probe->protocol};
    init_network(packet, probe);
    packet->transport.len = packet->protocol == IPPROTO_TCP ? 20 : 8;
    memset(packet->transport.unknown, 0xff, packet->transport.len);
    packet_set(packet, "th", "sport",
               probe->source_port
                   ? value_known(TYPE_NUMBER, 16, probe->source_port)
                   : (struct value){.bits = 16, .number = 0x8000, .unknown = 0x7fff});
    set_number(packet, "th", "dport", probe->port);
    set_number(packet, "tcp", "flags", 2); /* SYN */
}

static bool header_same(const struct packet_header *a, const struct packet_header *b)
{
    for (unsigned i = 0; i < a->len; i++)
        if (a->unknown[i] != b->unknown[i] ||
            ((a->bytes[i] ^ b->bytes[i]) & ~a->unknown[i] & 0xff) != 0)
            return false;
    return a->len == b->len;
}

bool packet_same(const struct packet *a, const struct packet *b)
{
    return a->family == b->family && a->protocol == b->protocol &&
           header_same(&a->network, &b->network) && header_same(&a->transport, &b->transport);
}

static void header_join(struct packet_header *header, const struct packet_header *other)
{
    for (unsigned i = 0; i < header->len; i++)
        header->unknown[i] |=
            (unsigned char)(other->unknown[i] | (header->bytes[i] ^ other->bytes[i]));
}

void packet_join(struct packet *packet, const struct packet *other)
{
    header_join(&packet->network, &other->network);
    header_join(&packet->transport, &other->transport);
}

struct value packet_source(const struct packet *packet)
{
    return packet_field(packet, network_name(packet), "saddr");
}

struct value packet_destination(const struct packet *packet)
{
    return packet_field(packet, network_name(packet), "daddr");
}

void packet_set_destination(struct packet *packet, struct value address)
{
    packet_set(packet, network_name(packet), "daddr", address);
}

void packet_set_source(struct packet *packet, struct value address)
{
    packet_set(packet, network_name(packet), "saddr", address);
}

void packet_turn_round(struct packet *packet)
{
    struct value source = packet_source(packet), destination = packet_destination(packet);
    struct value sport = packet_field(packet, "th", "sport");
    struct value dport = packet_field(packet, "th", "dport");
    const char *network = network_name(packet);

    memset(packet->network.unknown, 0xff, packet->network.len);
    memset(packet->transport.unknown, 0xff, packet->transport.len);
    set_number(packet, network, "version", packet->family == AF_INET ? 4 : 6);
    set_number(packet, "ip", "hdrlength", 5);
    set_number(packet, "ip", "protocol", (unsigned)packet->protocol);
    set_number(packet, "ip6", "nexthdr", (unsigned)packet->protocol);
    packet_set_source(packet, destination);
    packet_set_destination(packet, source);
    packet_set(packet, "th", "sport", dport);
    packet_set(packet, "th", "dport", sport);
    set_number(packet, "tcp", "flags", 2 | 16); /* SYN, ACK */
}
