/* Whether a name leads to this server over plain HTTP, tried as a certificate authority would: a
 * token of ours is fetched through each address of the name. It blocks: for a process of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

enum acme_reach {
    ACME_REACHED,      /**< our own token came back */
    ACME_NO_NAME,      /**< the name has no address, or cannot be looked up */
    ACME_OTHER_SERVER, /**< something else answers there */
    ACME_UNREACHED,    /**< no connection: from here, which says nothing about others where a NAT or
                            another network lies between */
};

enum { ACME_REACH_MAX = 8 /**< addresses tried for one name */ };

struct acme_reach_result {
    enum acme_reach worst; /**< over all addresses; OTHER_SERVER is worse than UNREACHED */
    unsigned addresses;
    bool ours;        /**< `place` is an address of this machine */
    char place[64];   /**< the address that `worst` is about, or "" */
    char reason[160]; /**< why, as a sentence's end */
};

/** Fetches http://NAME/.well-known/acme-challenge/TOKEN through each address, 5 seconds each.
 *  @param name   a host name or an IP address
 *  @param port   80; another in tests
 *  @param token  published before
 *  @param text   what must come back */
void acme_reach(const char *name, uint16_t port, const char *token, const char *text,
                struct acme_reach_result *ret_result);
