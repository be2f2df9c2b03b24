/* The rules of this host that an answer meets on its way out. No probe can follow it, since it is
 * the kernel that answers: the model of the rules tells. */
#pragma once

#include "firewall/model/simulate.h"

/** The rules, read once they are asked for. */
struct answer_rules;
struct answer_rules *answer_rules_create(void);
void answer_rules_destroy(struct answer_rules *rules);

/** Follows the answer to a packet that got in; see simulate_answer(). Notes it in the path where
 *  the rules cannot be read.
 *  @param user  of the program that answers; NULL where nobody knows */
void answer_rules_follow(struct answer_rules *rules, const struct simulate_arrival *arrival,
                         const unsigned *user, struct firewall_path *path);
