/* Runs rules over a transaction, phase by phase: the plain interpreter. */
#pragma once

#include "protect/waf/transaction.h"

/** Runs the rules of a phase. Phases come in their order; WAF_LOGGING always comes.
 *  @return true when the request is to be refused with t->status (or t->drop, t->redirect) */
bool waf_run(struct waf_transaction *t, enum waf_phase phase);

void waf_removed_destroy(struct waf_removed *removed);
