/* Reading and writing of ports and networks. */
#include "os/ports.h"

#include "os/net.h"
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"

static const char right_form[] =
    "a port is a number from 1 to 65535 and a protocol: 443, 8443/tcp, 443/udp";

/* ---- one port ---- */

static int complain(struct diags *diags, const char *text, const char *what, const char *hint)
{
    diag_hint(diags_add(diags, "\"%s\" %s", text, what), "%s", hint);
    return ERR_SYNTAX;
}

static bool is_range(struct span number)
{
    for (size_t i = 1; i + 1 < number.len; i++)
        if (strchr("-:,", number.ptr[i]))
            return true;
    return false;
}

static int protocol_parse(const char *text, struct span name, struct diags *diags,
                          enum port_protocol *ret_protocol)
{
    if (span_equal_nocase(name, SPAN("tcp")))
        *ret_protocol = PORT_TCP;
    else if (span_equal_nocase(name, SPAN("udp")))
        *ret_protocol = PORT_UDP;
    else
        return complain(diags, text, "names a protocol other than tcp and udp", right_form);
    return 0;
}

/* Names are not looked up: which port a name stands for differs from system to system. */
static int complain_name(struct diags *diags, const char *text, struct span name)
{
    static const struct {
        struct span name;
        const char *hint;
    } known[] = {
        {SPAN("http"), "did you mean 80?"},
        {SPAN("https"), "did you mean 443?"},
        {SPAN("h3"), "did you mean 443/udp?"},
        {SPAN("quic"), "did you mean 443/udp?"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (span_equal_nocase(known[i].name, name))
            return complain(diags, text, "is a name, no port", known[i].hint);
    return complain(diags, text, "is no port", right_form);
}

int port_parse(const char *text, struct diags *diags, struct port *ret_port)
{
    struct span number = span_str(text);
    ptrdiff_t slash = span_find(number, '/');
    struct port port = {.protocol = PORT_TCP};
    uint64_t value = 0;

    if (slash >= 0)
        number.len = (size_t)slash;
    if (is_range(number))
        return complain(diags, text, "is a list or a range of ports",
                        "name each port as a word of its own: 8443 2096/tcp 443/udp");
    if (span_to_uint(number, &value) < 0)
        return complain_name(diags, text, number);
    if (value < 1 || value > UINT16_MAX)
        return complain(diags, text, "is no port: its number is out of range", right_form);
    if (slash >= 0) {
        int r = protocol_parse(text, span_str(text + slash + 1), diags, &port.protocol);
        if (r < 0)
            return r;
    }
    port.number = (uint16_t)value;
    *ret_port = port;
    return 0;
}

const char *port_protocol_name(enum port_protocol protocol)
{
    return protocol == PORT_UDP ? "udp" : "tcp";
}

const char *port_text(struct port port, char out[PORT_TEXT])
{
    snprintf(out, PORT_TEXT, "%u/%s", port.number, port_protocol_name(port.protocol));
    return out;
}

/* ---- several ---- */

bool ports_have(const struct ports *ports, struct port port)
{
    for (size_t i = 0; i < ports->count; i++)
        if (port_equal(ports->items[i], port))
            return true;
    return false;
}

int ports_add(struct ports *ports, struct port port)
{
    if (ports_have(ports, port))
        return 0;
    if (ports->count == PORTS_MAX)
        return ERR_LIMIT;
    ports->items[ports->count++] = port;
    return 0;
}

struct ports ports_default(void)
{
    return (struct ports){.items = {{80, PORT_TCP}, {443, PORT_TCP}, {443, PORT_UDP}}, .count = 3};
}

/* Reads "440-443" or "440-443/udp". @return 1; 0 for what is no range; ERR_SYNTAX */
static int range_parse(const char *text, struct diags *diags, struct port *ret_first,
                       uint16_t *ret_last)
{
    struct span number = span_str(text), first;
    ptrdiff_t slash = span_find(number, '/');
    uint64_t from, to;

    if (slash >= 0)
        number.len = (size_t)slash;
    if (!span_next(&number, '-', &first) || !number.ptr || span_to_uint(first, &from) < 0 ||
        span_to_uint(number, &to) < 0)
        return 0;
    if (from < 1 || to > UINT16_MAX || from > to)
        return complain(diags, text, "is no range of ports",
                        "the lower one comes first, and both are from 1 to 65535: 440-443/tcp");
    scoped(mem_release) char *alone =
        mem_format("%u%s", (unsigned)from, slash >= 0 ? text + slash : "");
    *ret_last = (uint16_t)to;
    return port_parse(alone, diags, ret_first) < 0 ? ERR_SYNTAX : 1;
}

/* Reads a port, or each of a range. */
static int word_parse(const char *word, struct diags *diags, struct ports *ports)
{
    struct port port;
    uint16_t last = 0;
    int r = range_parse(word, diags, &port, &last);

    if (r == 0) {
        r = port_parse(word, diags, &port);
        last = r < 0 ? 0 : port.number;
    }
    for (unsigned number = r < 0 ? 1 : port.number; r >= 0 && number <= last; number++) {
        port.number = (uint16_t)number;
        r = ports_add(ports, port);
    }
    return r;
}

int ports_parse(const char *const *words, size_t count, struct diags *diags,
                struct ports *ret_ports)
{
    struct ports ports = {.count = 0};
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        int r = word_parse(words[i], diags, &ports);
        if (r == ERR_LIMIT && result >= 0)
            diag_hint(diags_add(diags, "more than %d ports at once", PORTS_MAX),
                      "name fewer, in several runs");
        if (r < 0 && result >= 0)
            result = r;
    }
    if (result >= 0)
        *ret_ports = ports;
    return result;
}

/* ---- networks ---- */

static unsigned family_bits(int family)
{
    return family == 4 ? 32 : 128;
}

/* Clears what lies beyond the prefix. @return whether there was something */
static bool clear_host_bits(struct network *network)
{
    bool had = false;

    for (unsigned bit = network->prefix; bit < family_bits(network->family); bit++) {
        unsigned char mask = (unsigned char)(0x80u >> bit % 8);
        had = had || (network->bytes[bit / 8] & mask);
        network->bytes[bit / 8] &= (unsigned char)~mask;
    }
    return had;
}

static int complain_network(struct diags *diags, const char *text)
{
    return complain(diags, text, "is no address or network",
                    "write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32");
}

int network_parse(const char *text, struct diags *diags, struct network *ret_network)
{
    struct span address = span_str(text);
    ptrdiff_t slash = span_find(address, '/');
    struct network network = {0};
    char alone[INET6_ADDRSTRLEN], fixed[NETWORK_TEXT];
    uint64_t prefix;

    if (slash >= 0)
        address.len = (size_t)slash;
    if (address.len >= sizeof alone)
        return complain_network(diags, text);
    snprintf(alone, sizeof alone, "%.*s", SPAN_ARGS(address));
    network.family = strchr(alone, ':') ? 6 : 4;
    if (inet_pton(network.family == 4 ? AF_INET : AF_INET6, alone, network.bytes) != 1)
        return complain_network(diags, text);
    prefix = family_bits(network.family);
    if (slash >= 0 && (span_to_uint(span_str(text + slash + 1), &prefix) < 0 ||
                       prefix > family_bits(network.family)))
        return complain_network(diags, text);
    network.prefix = (unsigned)prefix;
    if (clear_host_bits(&network)) {
        diag_hint(diags_add(diags, "\"%s\" has bits beyond its prefix", text),
                  "the network is %s; for one address leave the prefix out",
                  network_text(&network, fixed));
        return ERR_SYNTAX;
    }
    *ret_network = network;
    return 0;
}

const char *network_text(const struct network *network, char out[NETWORK_TEXT])
{
    char address[INET6_ADDRSTRLEN] = "";

    inet_ntop(network->family == 4 ? AF_INET : AF_INET6, network->bytes, address, sizeof address);
    if (network->prefix == family_bits(network->family))
        snprintf(out, NETWORK_TEXT, "%s", address);
    else
        snprintf(out, NETWORK_TEXT, "%s/%u", address, network->prefix);
    return out;
}
