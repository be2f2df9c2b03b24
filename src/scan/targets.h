/* Which hosts a scan asks: names, addresses and networks, counted without being written out. */
#pragma once

#include "base/diag.h"
#include "scan/address.h"

/** Addresses in a row. */
struct scan_block {
    struct scan_address first;
    uint64_t count; /**< 1 for a host */
    char *name;     /**< the name that was asked for; NULL where an address or network was */
};

struct scan_targets {
    struct scan_block *blocks;
    size_t block_count;
    uint64_t count; /**< addresses in all */
};

enum {
    SCAN_FAMILY_4 = 1,
    SCAN_FAMILY_6 = 2,
    SCAN_FAMILY_ANY = SCAN_FAMILY_4 | SCAN_FAMILY_6,
    SCAN_BLOCKS_MAX = 4096,
};

/** Reads a word: "example.com" (looked up; all of its addresses of the families), "192.0.2.7",
 *  "2001:db8::1", "192.0.2.0/24", "[2001:db8::]/120". What other targets hold already is not added
 *  twice. It waits for the resolver.
 *  @param families  SCAN_FAMILY_* bits
 *  @return 0, or ERR_SYNTAX, ERR_NOT_FOUND with a mistake added */
must_check int scan_targets_add(struct scan_targets *targets, const char *word, unsigned families,
                                struct diags *diags);
/** The address with a number below count, and its block. */
struct scan_address scan_targets_at(const struct scan_targets *targets, uint64_t number,
                                    const struct scan_block **ret_block);
void scan_targets_finish(struct scan_targets *targets);
