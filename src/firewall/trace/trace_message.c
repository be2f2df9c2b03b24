/* Reading the kernel's trace messages. It trusts no length in them. */
#include "firewall/trace/trace_message.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#include "base/error.h"

struct attribute {
    unsigned type;
    struct span value;
};

/* Takes the next attribute off the front. @return 1, 0 at the end, ERR_SYNTAX */
static int next_attribute(struct span *rest, struct attribute *ret_attribute)
{
    struct nlattr header;

    if (rest->len == 0)
        return 0;
    if (rest->len < sizeof header)
        return ERR_SYNTAX;
    memcpy(&header, rest->ptr, sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > rest->len)
        return ERR_SYNTAX;
    *ret_attribute = (struct attribute){
        header.nla_type & NLA_TYPE_MASK,
        span_of(rest->ptr + NLA_HDRLEN, header.nla_len - (size_t)NLA_HDRLEN),
    };
    *rest = span_from(*rest, NLA_ALIGN(header.nla_len));
    return 1;
}

static uint32_t read32(struct span value)
{
    uint32_t number = 0;

    if (value.len == sizeof number)
        memcpy(&number, value.ptr, sizeof number);
    return ntohl(number);
}

static uint64_t read64(struct span value)
{
    if (value.len != 8)
        return 0;
    return (uint64_t)read32(span_of(value.ptr, 4)) << 32 | read32(span_of(value.ptr + 4, 4));
}

static struct span read_name(struct span value)
{
    return span_of(value.ptr, strnlen(value.ptr, value.len));
}

static int read_verdict(struct span nested, struct trace_message *message)
{
    struct attribute attribute;
    int r;

    while ((r = next_attribute(&nested, &attribute)) > 0)
        if (attribute.type == NFTA_VERDICT_CODE) {
            message->verdict = (int32_t)read32(attribute.value);
            message->decided = true;
        } else if (attribute.type == NFTA_VERDICT_CHAIN) {
            message->target = read_name(attribute.value);
        }
    return r;
}

static int read_kind(uint32_t type, struct trace_message *message)
{
    switch (type) {
    case NFT_TRACETYPE_RULE:
        message->kind = TRACE_RULE;
        return 0;
    case NFT_TRACETYPE_RETURN:
        message->kind = TRACE_RETURN;
        return 0;
    case NFT_TRACETYPE_POLICY:
        message->kind = TRACE_POLICY;
        return 0;
    default:
        return ERR_SYNTAX;
    }
}

static int read_attribute(const struct attribute *attribute, struct trace_message *message)
{
    switch (attribute->type) {
    case NFTA_TRACE_TABLE:
        message->table = read_name(attribute->value);
        return 0;
    case NFTA_TRACE_CHAIN:
        message->chain = read_name(attribute->value);
        return 0;
    case NFTA_TRACE_RULE_HANDLE:
        message->handle = read64(attribute->value);
        return 0;
    case NFTA_TRACE_TYPE:
        return read_kind(read32(attribute->value), message);
    case NFTA_TRACE_VERDICT:
        return read_verdict(attribute->value, message);
    case NFTA_TRACE_POLICY:
        message->verdict = (int32_t)read32(attribute->value);
        message->decided = true;
        return 0;
    case NFTA_TRACE_ID:
        message->id = read32(attribute->value);
        return 0;
    case NFTA_TRACE_NETWORK_HEADER:
        message->network = attribute->value;
        return 0;
    case NFTA_TRACE_TRANSPORT_HEADER:
        message->transport = attribute->value;
        return 0;
    default:
        return 0;
    }
}

static int read_message(struct span body, struct trace_message *ret_message)
{
    struct trace_message message = {0};
    struct attribute attribute;
    int r;

    if (body.len < sizeof(struct nfgenmsg))
        return ERR_SYNTAX;
    message.family = (uint8_t)body.ptr[0];
    body = span_from(body, NLMSG_ALIGN(sizeof(struct nfgenmsg)));
    while ((r = next_attribute(&body, &attribute)) > 0)
        if ((r = read_attribute(&attribute, &message)) < 0)
            break;
    if (r < 0)
        return r;
    *ret_message = message;
    return 1;
}

int trace_message_next(struct span *rest, struct trace_message *ret_message)
{
    enum { TRACE = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE };
    struct nlmsghdr header;

    while (rest->len) {
        if (rest->len < sizeof header)
            return ERR_SYNTAX;
        memcpy(&header, rest->ptr, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest->len)
            return ERR_SYNTAX;
        struct span body =
            span_of(rest->ptr + NLMSG_HDRLEN, header.nlmsg_len - (size_t)NLMSG_HDRLEN);
        *rest = span_from(*rest, NLMSG_ALIGN(header.nlmsg_len));
        if (header.nlmsg_type == TRACE)
            return read_message(body, ret_message);
    }
    return 0;
}
