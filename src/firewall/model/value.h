/* Values that rules compare, of which single bits may be unknown, and answers that may be
 * "maybe". Where values come from is packet.c's and match.c's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum tri { TRI_NO, TRI_YES, TRI_MAYBE };

__extension__ typedef unsigned __int128 bits_t;

/** How words stand for numbers. */
enum value_type {
    TYPE_NUMBER,
    TYPE_IFNAME, /**< 16 bytes, the first on top, padded with NUL */
    TYPE_IPV4,
    TYPE_IPV6,
    TYPE_ETHER,
    TYPE_PROTOCOL,
    TYPE_ETHERTYPE,
    TYPE_NFPROTO,
    TYPE_PKTTYPE,
    TYPE_TCP_FLAGS,
    TYPE_CT_STATE,
    TYPE_CT_STATUS,
    TYPE_CT_DIRECTION,
    TYPE_ROUTE,
};

enum { CT_INVALID = 1, CT_ESTABLISHED = 2, CT_NEW = 8, CT_UNTRACKED = 64 };
enum {
    CT_STATUS_SEEN_REPLY = 2,
    CT_STATUS_CONFIRMED = 8,
    CT_STATUS_SNAT = 16,
    CT_STATUS_DNAT = 32
};
enum { ROUTE_UNICAST = 1, ROUTE_LOCAL = 2 };

struct value {
    enum value_type type;
    unsigned bits;   /**< width, 1..128 */
    enum tri absent; /**< the packet has no such thing: no comparison matches */
    bits_t number;
    bits_t unknown; /**< bits of `number` that mean nothing */
};

static inline bits_t bits_mask(unsigned bits)
{
    return bits >= 128 ? ~(bits_t)0 : ((bits_t)1 << bits) - 1;
}

static inline struct value value_known(enum value_type type, unsigned bits, bits_t number)
{
    return (struct value){.type = type, .bits = bits, .number = number & bits_mask(bits)};
}

static inline struct value value_unknown(enum value_type type, unsigned bits)
{
    return (struct value){.type = type, .bits = bits, .unknown = bits_mask(bits)};
}

static inline struct value value_absent(void)
{
    return (struct value){.bits = 1, .absent = TRI_YES};
}

/** What is known when it is one or the other. */
struct value value_join(struct value a, struct value b);
/** The number that a word stands for among values of that type, unknown when it stands for none. */
struct value value_of_word(enum value_type type, unsigned bits, const char *word);
/** The address, with the prefix length's lower bits unknown. */
struct value value_of_address(int family, const unsigned char address[16]);

/** The same in every bit that is known, and in which are. */
bool value_same(struct value a, struct value b);
/** An address that is known as text; yields `text`. */
const char *value_address_text(struct value address, int family, char text[46]);
enum tri tri_not(enum tri a);
enum tri tri_and(enum tri a, enum tri b);
enum tri tri_or(enum tri a, enum tri b);
enum tri value_equal(struct value a, struct value b);
/** The first `bits` bits of both. */
enum tri value_in_prefix(struct value a, struct value prefix, unsigned bits);
enum tri value_in_range(struct value a, struct value first, struct value last);
enum tri value_less(struct value a, struct value b);
/** A bit is set in both. */
enum tri value_shares_bit(struct value a, struct value b);
/** An interface's name against a name or, with a star at its end, a beginning. */
enum tri value_is_interface(struct value name, const char *pattern);
