/* Writing questions and reading answers. Every length of the message is checked against the bytes
 * that are there, and a compressed name's pointers must go backwards, so that none can loop. */
#include "probe/dns_message.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
    HEADER = 12,
    LABEL_MAX = 63,
    NAME_WIRE_MAX = 255,
    CLASS_IN = 1,
    EDNS_SIZE = 1232, /* what crosses every network in one piece: dnsflagday.net 2020 */
    FLAG_QR = 0x8000,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_AD = 0x0020,
};

/* Bytes of the message from `at` on; `ok` becomes false for good once one was missing. */
struct reader {
    const unsigned char *bytes;
    size_t len;
    size_t at;
    bool ok;
};

/* ---- the question ---- */

static void put16(unsigned char *out, unsigned number)
{
    out[0] = (unsigned char)(number >> 8);
    out[1] = (unsigned char)number;
}

/* @return bytes of the name, or ERR_SYNTAX */
static int put_name(const char *name, unsigned char out[NAME_WIRE_MAX])
{
    struct span rest = span_str(name), label;
    size_t len = 0;

    if (rest.len && rest.ptr[rest.len - 1] == '.')
        rest.len--;
    while (rest.len && span_next(&rest, '.', &label)) {
        if (label.len == 0 || label.len > LABEL_MAX || len + 1 + label.len + 1 > NAME_WIRE_MAX)
            return ERR_SYNTAX;
        out[len] = (unsigned char)label.len;
        memcpy(out + len + 1, label.ptr, label.len);
        len += 1 + label.len;
    }
    out[len] = 0;
    return (int)len + 1;
}

int dns_write_query(const char *name, uint16_t type, uint16_t id, bool edns,
                    unsigned char out[DNS_QUESTION_MAX])
{
    static const unsigned char opt[] = {0, 0, DNS_OPT, EDNS_SIZE >> 8, EDNS_SIZE & 0xff, 0, 0, 0,
                                        0, 0, 0};
    size_t at = HEADER;

    memset(out, 0, HEADER);
    put16(out, id);
    put16(out + 2, FLAG_RD | FLAG_AD); /* AD asks to be told (RFC 6840 section 5.7) */
    put16(out + 4, 1);
    put16(out + 10, edns);
    int r = put_name(name, out + at);
    if (r < 0)
        return r;
    at += (size_t)r;
    put16(out + at, type);
    put16(out + at + 2, CLASS_IN);
    at += 4;
    if (edns) {
        memcpy(out + at, opt, sizeof opt);
        at += sizeof opt;
    }
    return (int)at;
}

/* ---- reading ---- */

static const unsigned char *take_bytes(struct reader *r, size_t count)
{
    if (!r->ok || count > r->len - r->at) {
        r->ok = false;
        return NULL;
    }
    r->at += count;
    return r->bytes + r->at - count;
}

static uint16_t take16(struct reader *r)
{
    const unsigned char *b = take_bytes(r, 2);

    return b ? (uint16_t)(b[0] << 8 | b[1]) : 0;
}

static uint32_t take32(struct reader *r)
{
    uint32_t high = take16(r);

    return high << 16 | take16(r);
}

/* Appends a label; what is not a plain character becomes \DDD, so that text cannot lie. */
static size_t add_label(char *out, size_t len, const unsigned char *label, size_t count)
{
    if (len)
        out[len++] = '.';
    for (size_t i = 0; i < count; i++) {
        unsigned char c = label[i];
        if (c > ' ' && c < 0x7f && c != '.' && c != '\\' && c != '"')
            out[len++] = ascii_lower((char)c);
        else
            len += (size_t)snprintf(out + len, 5, "\\%03u", c);
    }
    return len;
}

/* A name at the reader's place, which moves behind it. @return its text's length */
static size_t take_name(struct reader *r, char out[DNS_NAME_TEXT])
{
    struct reader walk = *r;
    size_t len = 0, wire = 0, lowest = r->at, after = 0;

    while (walk.ok) {
        const unsigned char *count = take_bytes(&walk, 1);
        if (!count || *count == 0)
            break;
        if ((*count & 0xc0) == 0xc0) { /* RFC 1035 section 4.1.4 */
            const unsigned char *low = take_bytes(&walk, 1);
            size_t target = low ? (size_t)(*count & 0x3f) << 8 | *low : 0;
            if (!after)
                after = walk.at;
            walk.ok = low && target < lowest;
            walk.at = lowest = target;
            continue;
        }
        const unsigned char *label = *count <= LABEL_MAX ? take_bytes(&walk, *count) : NULL;
        wire += 1 + (size_t)*count;
        if (!label || wire > NAME_WIRE_MAX - 1) {
            walk.ok = false;
            break;
        }
        len = add_label(out, len, label, *count);
    }
    out[len] = '\0';
    r->ok = walk.ok;
    r->at = after ? after : walk.at;
    return len;
}

static bool same_name(const char *text, const char *name)
{
    struct span a = span_str(text), b = span_str(name);

    if (b.len && b.ptr[b.len - 1] == '.')
        b.len--;
    return span_equal_nocase(a, b);
}

/* ---- records ---- */

static void copy_printable(char *out, size_t room, const unsigned char *bytes, size_t len)
{
    size_t i = 0;

    for (; i < len && i + 1 < room; i++)
        out[i] = bytes[i] >= ' ' && bytes[i] < 0x7f ? (char)bytes[i] : '?';
    out[i] = '\0';
}

/* RFC 8659 section 4.1 */
static void read_caa(struct reader *data, struct dns_record *record)
{
    const unsigned char *head = take_bytes(data, 2);
    const unsigned char *tag = head ? take_bytes(data, head[1]) : NULL;

    if (!tag)
        return;
    record->caa.flags = head[0];
    copy_printable(record->caa.tag, sizeof record->caa.tag, tag, head[1]);
    for (char *c = record->caa.tag; *c; c++)
        *c = ascii_lower(*c);
    size_t rest = data->len - data->at;
    copy_printable(record->caa.value, sizeof record->caa.value, take_bytes(data, rest), rest);
}

static void read_alpn(struct reader *value, struct dns_https *https)
{
    while (value->ok && value->at < value->len) {
        const unsigned char *count = take_bytes(value, 1);
        const unsigned char *text = count ? take_bytes(value, *count) : NULL;
        if (text && https->alpn_count < DNS_ALPN_MAX) {
            char *to = https->alpn[https->alpn_count++];
            copy_printable(to, sizeof https->alpn[0], text, *count);
        }
    }
}

/* Addresses of `size` bytes each. @return how many were kept */
static size_t read_hints(struct reader *value, unsigned char *out, size_t size)
{
    size_t count = 0;

    while (value->ok && value->at < value->len) {
        const unsigned char *address = take_bytes(value, size);
        if (address && count < DNS_HINTS_MAX)
            memcpy(out + size * count++, address, size);
    }
    return count;
}

/* RFC 9460 section 14.3.2 */
enum { PARAM_ALPN = 1, PARAM_PORT = 3, PARAM_IPV4 = 4, PARAM_ECH = 5, PARAM_IPV6 = 6 };

static void read_param(unsigned key, struct reader *value, struct dns_https *https)
{
    switch (key) {
    case PARAM_ALPN:
        read_alpn(value, https);
        break;
    case PARAM_PORT:
        https->port = take16(value);
        https->has_port = value->ok;
        break;
    case PARAM_IPV4:
        https->ipv4_count = read_hints(value, https->ipv4[0], 4);
        break;
    case PARAM_ECH:
        https->has_ech = true;
        break;
    case PARAM_IPV6:
        https->ipv6_count = read_hints(value, https->ipv6[0], 16);
        break;
    default:
        break;
    }
}

static void read_https(struct reader *data, struct dns_record *record)
{
    struct dns_https *https = mem_new(struct dns_https);

    record->https = https;
    https->priority = take16(data);
    if (take_name(data, https->target) == 0)
        memcpy(https->target, ".", 2);
    while (data->ok && data->at < data->len) {
        unsigned key = take16(data);
        size_t len = take16(data);
        const unsigned char *value = take_bytes(data, len);
        struct reader inner = {.bytes = value, .len = len, .ok = value != NULL};
        read_param(key, &inner, https);
        data->ok = data->ok && inner.ok;
    }
}

static void read_data(const struct reader *message, size_t start, size_t len,
                      struct dns_record *record)
{
    struct reader data = *message; /* names may point back into the message */
    char name[DNS_NAME_TEXT];
    size_t size = record->type == DNS_A ? 4 : 16;

    data.at = start;
    data.len = start + len;
    switch (record->type) {
    case DNS_A:
    case DNS_AAAA:
        if (len == size)
            memcpy(record->address, message->bytes + start, size);
        else
            record->type = 0;
        return;
    case DNS_CNAME:
        take_name(&data, name);
        record->name = mem_string(span_str(name));
        break;
    case DNS_CAA:
        read_caa(&data, record);
        break;
    default:
        read_https(&data, record);
        break;
    }
    if (data.ok)
        return;
    free(record->type == DNS_CNAME   ? (void *)record->name
         : record->type == DNS_HTTPS ? (void *)record->https
                                     : NULL);
    record->type = 0; /* broken: as if it were not there */
}

static bool is_known(uint16_t type)
{
    return type == DNS_A || type == DNS_AAAA || type == DNS_CNAME || type == DNS_HTTPS ||
           type == DNS_CAA;
}

static void take_record(struct reader *r, struct dns_answer *answer)
{
    char owner[DNS_NAME_TEXT];
    struct dns_record record = {NULL};

    take_name(r, owner);
    record.type = take16(r);
    unsigned class = take16(r);
    record.ttl = take32(r);
    size_t len = take16(r), start = r->at;
    if (!take_bytes(r, len) || class != CLASS_IN || !is_known(record.type) ||
        answer->count == DNS_RECORDS_MAX)
        return;
    read_data(r, start, len, &record);
    if (record.type == 0)
        return;
    record.owner = mem_string(span_str(owner));
    answer->records[answer->count++] = record;
}

int dns_read_answer(struct span bytes, const char *name, uint16_t type,
                    struct dns_answer *ret_answer)
{
    struct reader r = {.bytes = (const unsigned char *)bytes.ptr, .len = bytes.len, .ok = true};
    char asked[DNS_NAME_TEXT];

    *ret_answer = (struct dns_answer){.id = take16(&r)};
    unsigned flags = take16(&r);
    unsigned questions = take16(&r), answers = take16(&r);
    (void)take32(&r); /* the other sections are not needed */
    if (!r.ok || !(flags & FLAG_QR))
        return ERR_SYNTAX;
    ret_answer->code = (int)(flags & 0xf);
    ret_answer->truncated = flags & FLAG_TC;
    ret_answer->authenticated = flags & FLAG_AD;
    if (questions == 0 && ret_answer->code != DNS_NOERROR)
        return 0; /* some servers refuse without repeating the question */
    take_name(&r, asked);
    unsigned asked_type = take16(&r), asked_class = take16(&r);
    if (!r.ok || questions != 1)
        return ERR_SYNTAX;
    if (!same_name(asked, name) || asked_type != type || asked_class != CLASS_IN)
        return ERR_NOT_FOUND;
    for (unsigned i = 0; i < answers && r.ok; i++)
        take_record(&r, ret_answer);
    if (r.ok || ret_answer->truncated)
        return 0;
    dns_answer_finish(ret_answer);
    return ERR_SYNTAX;
}

void dns_answer_finish(struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        free(answer->records[i].owner);
        if (answer->records[i].type == DNS_CNAME)
            free(answer->records[i].name);
        if (answer->records[i].type == DNS_HTTPS)
            free(answer->records[i].https);
    }
    answer->count = 0;
}

const char *dns_type_name(uint16_t type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_AAAA:
        return "AAAA";
    case DNS_CNAME:
        return "CNAME";
    case DNS_HTTPS:
        return "HTTPS";
    case DNS_CAA:
        return "CAA";
    default:
        return "?";
    }
}

const char *dns_code_text(int code)
{
    static const char *const texts[] = {
        [DNS_NOERROR] = "no error",
        [DNS_FORMERR] = "the server did not understand the question (FORMERR)",
        [DNS_SERVFAIL] = "the server failed (SERVFAIL)",
        [DNS_NXDOMAIN] = "there is no such name (NXDOMAIN)",
        [DNS_NOTIMP] = "the server knows no such question (NOTIMP)",
        [DNS_REFUSED] = "the server refused to answer (REFUSED)",
    };

    return code >= 0 && (size_t)code < ARRAY_SIZE(texts) ? texts[code] : "an error of the server";
}
