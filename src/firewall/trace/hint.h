/* The command that lets a packet through just before a rule, in the words of nft and of iptables:
 * with the port and address that the packet has there, quoted for a shell. */
#pragma once

#include "firewall/model/path.h"

/** What a packet looks like where a step meets it. */
struct hint_aim {
    const char *protocol;                /**< "tcp" */
    char port[8];                        /**< the server's */
    char address[FIREWALL_ADDRESS_TEXT]; /**< the server's, where it was changed; else "" */
    bool answer;
    bool out;           /**< this host sends it (not: its answer) */
    const char *device; /**< it stays on lo: "i" comes in by it there, "o" leaves; NULL: not */
    bool tracked;       /**< conntrack may be asked there */
};

struct hint_aim hint_aim_of(const struct firewall_path *path, const struct firewall_step *step);
/** Sets the hint to an nft command that accepts it before the rule of the step, or at the end of
 *  its chain where the policy is what decides. */
void hint_nft(struct firewall_path *path, const struct firewall_step *step);
/** The same in iptables' words.
 *  @param program  "iptables"
 *  @param chain    the step's, or one that is asked before it
 *  @param place    where in it, from 1; 0: at its end */
void hint_iptables(struct firewall_path *path, const struct firewall_step *step,
                   const char *program, const char *chain, size_t place);
/** A word for a shell, quoted where it has to be. @return for free() */
char *hint_quote(const char *word);
