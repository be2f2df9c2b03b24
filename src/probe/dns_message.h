/* DNS messages (RFC 1035): the question that we ask and the records of the answer. c-ares 1.18,
 * which Debian 12 ships, knows neither HTTPS records nor CAA's place in our loop, so both are
 * written and read here. Sending is resolver.h's. */
#pragma once

#include "base/error.h"
#include "base/span.h"

enum {
    DNS_NAME_TEXT = 1024, /**< a name as text: 255 bytes, each perhaps escaped as \DDD, and NUL */
    DNS_RECORDS_MAX = 64, /**< records kept of one answer */
    DNS_MESSAGE_MAX = 65535,
    DNS_QUESTION_MAX = 512,
    DNS_ALPN_MAX = 8, /**< protocols kept of an HTTPS record */
    DNS_HINTS_MAX = 8,
};

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_AAAA = 28,
    DNS_OPT = 41,
    DNS_HTTPS = 65,
    DNS_CAA = 257,
};

enum dns_code {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
};

/** An HTTPS record (RFC 9460). */
struct dns_https {
    uint16_t priority;          /**< 0: an alias */
    char target[DNS_NAME_TEXT]; /**< "." is the owner itself */
    char alpn[DNS_ALPN_MAX][16];
    size_t alpn_count;
    bool has_port;
    uint16_t port;
    bool has_ech;
    unsigned char ipv4[DNS_HINTS_MAX][4];
    size_t ipv4_count;
    unsigned char ipv6[DNS_HINTS_MAX][16];
    size_t ipv6_count;
};

struct dns_record {
    char *owner; /**< text without the final dot, lower case */
    uint16_t type;
    uint32_t ttl; /**< seconds */
    union {
        unsigned char address[16]; /**< A: the first four bytes; AAAA */
        char *name;                /**< CNAME */
        struct {
            unsigned char flags;
            char tag[16];    /**< lower case */
            char value[256]; /**< printable ASCII, what is not is '?' */
        } caa;
        struct dns_https *https;
    };
};

struct dns_answer {
    uint16_t id;
    int code;                                   /**< enum dns_code, or others of the registry */
    bool truncated;                             /**< ask again over TCP */
    bool authenticated;                         /**< the resolver says that it checked DNSSEC */
    struct dns_record records[DNS_RECORDS_MAX]; /**< of types that we know */
    size_t count;
};

/** Writes a query with an EDNS record that allows 1,232 bytes.
 *  @param name  ASCII, with or without a final dot
 *  @param edns  false for servers that answer FORMERR to it
 *  @return its length; ERR_SYNTAX for a name that DNS cannot carry */
must_check int dns_write_query(const char *name, uint16_t type, uint16_t id, bool edns,
                               unsigned char out[DNS_QUESTION_MAX]);
/** Reads an answer to the question (name, type). The id is not compared.
 *  @return 0; ERR_SYNTAX for what is no DNS answer; ERR_NOT_FOUND for an answer to another
 *  question. To be finished after 0 only */
must_check int dns_read_answer(struct span bytes, const char *name, uint16_t type,
                               struct dns_answer *ret_answer);
void dns_answer_finish(struct dns_answer *answer);
/** "A", "AAAA", "HTTPS"…; "?" for unknown ones. */
const char *dns_type_name(uint16_t type);
/** "no error", "the server failed (SERVFAIL)"… */
const char *dns_code_text(int code);
