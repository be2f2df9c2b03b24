/* The encoder of header compression (RFC 7541): fields in, a block out. It keeps the dynamic table
 * that the peer's decoder mirrors; decoding is nghttp2's. */
#pragma once

#include "base/span.h"

enum {
    H2_HPACK_TABLE = 4096,  /**< the most that the dynamic table takes, whatever the peer offers */
    H2_HPACK_ENTRIES = 128, /**< as many entries of 32 bytes' overhead fit into it */
    H2_HPACK_HINTS = 32,    /**< fields of an answer whose entries are remembered */
    H2_HPACK_SETS = 8,      /**< of hashes of literals that were sent */
    H2_HPACK_WAYS = 4,      /**< in each, so that one answer's fields do not push each other out */
    H2_HPACK_START = 16,    /**< bytes that h2_hpack_begin() writes at most */
    H2_HPACK_FIELD = 16,    /**< bytes of a field at most, beside its name and value */
};

struct h2_hpack_entry;

struct h2_hpack {
    struct h2_hpack_entry *ring[H2_HPACK_ENTRIES]; /**< entry number n at n % H2_HPACK_ENTRIES */
    uint32_t hashes[H2_HPACK_ENTRIES];
    uint32_t made;                  /**< entries ever inserted: the number of the next */
    uint32_t count;                 /**< those of them that live */
    uint32_t size;                  /**< as section 4.1 counts */
    uint32_t max;                   /**< what `size` may become */
    uint32_t min;                   /**< smallest `max` since the last block */
    bool resized;                   /**< the next block must say so */
    uint32_t place;                 /**< of the next field in the present block */
    uint32_t hints[H2_HPACK_HINTS]; /**< entry number + 1 that stood at that place last */
    uint32_t seen[H2_HPACK_SETS][H2_HPACK_WAYS]; /**< sent as literals lately, newest first */
};

void h2_hpack_init(struct h2_hpack *hpack);
void h2_hpack_finish(struct h2_hpack *hpack);
/** The peer's SETTINGS_HEADER_TABLE_SIZE. */
void h2_hpack_resize(struct h2_hpack *hpack, uint32_t size);
/** Begins a block. `out` has room for H2_HPACK_START bytes. @return where the block goes on */
char *h2_hpack_begin(struct h2_hpack *hpack, char *out);
/** Writes ":status", the first field of an answer. @param status 100..999 */
char *h2_hpack_put_status(struct h2_hpack *hpack, char *out, int status);
/** Writes a field, whose name is lower case. `out` has room for both and H2_HPACK_FIELD bytes.
 *  @return where the block goes on */
char *h2_hpack_put(struct h2_hpack *hpack, char *out, struct span name, struct span value);
