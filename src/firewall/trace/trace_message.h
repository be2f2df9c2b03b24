/* One message of the kernel's packet trace (NFNLGRP_NFTRACE), as plain values. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

enum trace_kind { TRACE_RULE, TRACE_RETURN, TRACE_POLICY };

struct trace_message {
    enum trace_kind kind;
    uint32_t id;                      /**< of the packet; may change when its addresses do */
    uint8_t family;                   /**< NFPROTO_*: of the table */
    uint64_t handle;                  /**< of the rule; 0: none */
    struct span table, chain, target; /**< without NUL; target: the chain of a jump */
    bool decided;                     /**< `verdict` is set */
    int32_t verdict;                  /**< NF_* or NFT_*: of a rule, or the policy */
    struct span network, transport;   /**< the packet's headers, cut after 40 and 20 bytes; empty in
                                           all but the first message of a hook */
};

/** Takes the next netlink message off the front of what one receive gave. Those that are no trace
 *  are passed over.
 *  @param rest  aligned for struct nlmsghdr
 *  @return 1 with a message, whose spans point into `rest`; 0 at the end; ERR_SYNTAX
 *  Source: linux/netfilter/nf_tables.h */
must_check int trace_message_next(struct span *rest, struct trace_message *ret_message);
