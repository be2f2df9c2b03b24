/* Commands for the kernel's nf_tables, by libnftables: scripts in, text or JSON out. */
#pragma once

#include <jansson.h>

#include "base/macros.h"

struct plan_action;

enum nft_output {
    NFT_PLAIN,   /**< as nft(8) prints it */
    NFT_HANDLES, /**< with handles: `nft -a` */
    NFT_TERSE,   /**< the same without the elements of named sets: `nft -a -t` */
    NFT_JSON,    /**< `nft -j`, handles included */
    NFT_CHECK,   /**< `nft -c`: nothing is changed */
    NFT_ECHO,    /**< `nft -j -e -a`: what was added, with its handles */
};

/** Runs commands in one transaction.
 *  @param ret_output  what was printed, for free(); may be NULL for not wanted
 *  @param ret_error   why it was refused, for free(), set on error only; may be NULL
 *  @return 0; -EPERM without CAP_NET_ADMIN; -EINVAL when refused; -ENOMEM */
must_check int nft_run(const char *script, enum nft_output output, char **ret_output,
                       char **ret_error);
/** Carries out an action of kind PLAN_UNTAG: deletes the rules of a chain that have one of the
 *  comments; a chain gardien_NAME that is empty then goes too, with the jumps to it. What is gone
 *  already is no mistake. @return as nft_run() */
must_check int nft_untag(const struct plan_action *action, char **ret_error);
/** The array "nftables" of `nft -j list ruleset`; without the sets of tables that a program owns
 *  where libnftables cannot list these. @return 0 with a new reference, or as nft_run() */
must_check int nft_ruleset(json_t **ret_array);
