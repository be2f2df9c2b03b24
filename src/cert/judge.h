/* Would a client of this machine trust a chain that a server sent, and if not, why not? For which
 * names it stands is cert_matches()'s. */
#pragma once

#include <stdbool.h>

#include "base/nsec.h"
#include "base/span.h"
#include "cert/info.h"

/** What is wrong with a chain; several may be. */
enum cert_fault {
    CERT_FAULT_EXPIRED = 1 << 0,
    CERT_FAULT_NOT_YET = 1 << 1,
    CERT_FAULT_SELF_SIGNED = 1 << 2,  /**< the leaf vouches for itself */
    CERT_FAULT_UNKNOWN_ROOT = 1 << 3, /**< the chain is whole, its root is not in the store */
    CERT_FAULT_INCOMPLETE = 1 << 4,   /**< an issuer is neither sent nor in the store */
    CERT_FAULT_PURPOSE = 1 << 5,      /**< not for servers, or an issuer that may not issue */
    CERT_FAULT_WEAK = 1 << 6,         /**< keys or signatures below 112 bits */
    CERT_FAULT_OTHER = 1 << 7,        /**< `other` says which */
};

struct cert_judgement {
    bool trusted;      /**< no fault */
    unsigned faults;   /**< enum cert_fault */
    char *faulty;      /**< subject of the first certificate with a fault of date, purpose or
                            strength, or NULL when that is the leaf */
    char *missing;     /**< with INCOMPLETE or UNKNOWN_ROOT: who is missing, or the root */
    char *missing_url; /**< where the missing issuer can be had, as the certificate says; NULL */
    const char *other; /**< the library's words; static */
    char *anchor;      /**< subject of the root that it leads to, or NULL */
    nsec_t ends;       /**< when the first certificate of the verified path ends; wall clock */
    char *ends_issuer; /**< subject of that one, or NULL when it is the leaf */
    size_t sent;       /**< certificates sent */
    size_t needed;     /**< those that a server must send: the verified chain without its root */
    bool sent_root;
    bool local_ca; /**< gardien's local CA of this machine issued it, whether trusted or not */
};

/** @param chain_pem   as sent, leaf first
 *  @param local_ca    certificates of gardien's local CA, PEM; may be empty
 *  @param now         wall clock
 *  @return 0; ERR_SYNTAX or ERR_LIMIT for no chain */
must_check int cert_judge(struct span chain_pem, struct span local_ca, nsec_t now,
                          struct cert_judgement *ret_judgement);
void cert_judgement_finish(struct cert_judgement *judgement);
