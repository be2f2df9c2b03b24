/* Reading PROXY headers and deciding who may send them. What follows from the address is the
 * connection's business. */
#include "serve/transport/proxy_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/mem.h"

enum { V1_MAX = 107, V2_HEAD = 16, V2_MAX = 536 };

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static struct peer_address mapped(const void *ipv4)
{
    struct peer_address peer = {{0}};

    peer.bytes[10] = peer.bytes[11] = 0xff;
    memcpy(peer.bytes + 12, ipv4, 4);
    return peer;
}

static int parse_address(struct span text, int family, struct peer_address *ret_peer)
{
    return (span_find(text, ':') < 0) == (family == AF_INET) ? peer_address_parse(text, ret_peer)
                                                             : ERR_SYNTAX;
}

static int parse_port(struct span text, uint16_t *ret_port)
{
    uint64_t number;

    if (text.len > 5 || (text.len > 1 && text.ptr[0] == '0') || span_to_uint(text, &number) < 0 ||
        number > UINT16_MAX)
        return ERR_SYNTAX;
    *ret_port = (uint16_t)number;
    return 0;
}

/* "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443", without its CRLF. */
static int parse_v1_line(struct span line, struct proxy_header *header)
{
    struct span parts[6] = {0};
    size_t count = 0;

    while (count < ARRAY_SIZE(parts) && span_next(&line, ' ', &parts[count]))
        count++;
    if (count >= 2 && span_equal(parts[1], SPAN("UNKNOWN"))) {
        header->local = true;
        return 0;
    }
    if (count != ARRAY_SIZE(parts) || line.ptr)
        return ERR_SYNTAX;
    bool v4 = span_equal(parts[1], SPAN("TCP4"));
    if (!v4 && !span_equal(parts[1], SPAN("TCP6")))
        return ERR_SYNTAX;
    struct peer_address destination;
    uint16_t destination_port;
    int family = v4 ? AF_INET : AF_INET6;
    if (parse_address(parts[2], family, &header->peer) < 0 ||
        parse_address(parts[3], family, &destination) < 0 ||
        parse_port(parts[4], &header->peer_port) < 0 || parse_port(parts[5], &destination_port) < 0)
        return ERR_SYNTAX;
    return 0;
}

static ssize_t parse_v1(struct span bytes, struct proxy_header *header)
{
    struct span visible = span_of(bytes.ptr, bytes.len < V1_MAX ? bytes.len : V1_MAX);
    ptrdiff_t newline = span_find(visible, '\n');

    if (newline < 0)
        return bytes.len >= V1_MAX ? ERR_SYNTAX : 0;
    if (newline < 1 || bytes.ptr[newline - 1] != '\r')
        return ERR_SYNTAX;
    int r = parse_v1_line(span_of(bytes.ptr, (size_t)newline - 1), header);
    return r < 0 ? r : newline + 1;
}

/* Section 2.2: signature, version and command, family and protocol, length, addresses, TLVs. */
static ssize_t parse_v2(struct span bytes, struct proxy_header *header)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;

    if (bytes.len < V2_HEAD)
        return 0;
    size_t length = (size_t)at[14] << 8 | at[15];
    unsigned command = at[12] & 15;
    if (at[12] >> 4 != 2 || command > 1 || V2_HEAD + length > V2_MAX)
        return ERR_SYNTAX;
    if (bytes.len < V2_HEAD + length)
        return 0;
    if (command == 0 || at[13] == 0) {
        header->local = true;
    } else if (at[13] == 0x11 && length >= 12) {
        header->peer = mapped(at + V2_HEAD);
        header->peer_port = (uint16_t)(at[V2_HEAD + 8] << 8 | at[V2_HEAD + 9]);
    } else if (at[13] == 0x21 && length >= 36) {
        memcpy(header->peer.bytes, at + V2_HEAD, 16);
        header->peer_port = (uint16_t)(at[V2_HEAD + 32] << 8 | at[V2_HEAD + 33]);
    } else {
        return ERR_SYNTAX; /* UDP or a Unix socket in front of a TCP port */
    }
    return (ssize_t)(V2_HEAD + length);
}

static bool begins_like(struct span bytes, struct span wanted)
{
    size_t len = bytes.len < wanted.len ? bytes.len : wanted.len;
    return memcmp(bytes.ptr, wanted.ptr, len) == 0;
}

ssize_t proxy_protocol_parse(struct span bytes, struct proxy_header *ret_header)
{
    struct proxy_header header = {0};
    ssize_t used = ERR_SYNTAX;

    if (bytes.len == 0)
        return 0;
    struct span signature = span_of(v2_signature, sizeof v2_signature);
    if (begins_like(bytes, signature))
        used = bytes.len < signature.len ? 0 : parse_v2(bytes, &header);
    else if (begins_like(bytes, SPAN("PROXY ")))
        used = bytes.len < 6 ? 0 : parse_v1(bytes, &header);
    if (used > 0)
        *ret_header = header;
    return used;
}
