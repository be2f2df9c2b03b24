/* Tokens of http-01 challenges (RFC 8555 section 8.3) that the workers answer now. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct guardian;

/** Publishes or withdraws a token in every worker.
 *  @param owner    whose it is, for acme_tokens_withdraw()
 *  @param text     TOKEN "\n" KEY-AUTHORIZATION to publish, TOKEN to withdraw
 *  @return 0; ERR_PROTOCOL for text of another form; ERR_LIMIT for too many */
int acme_token_set(struct guardian *g, const void *owner, struct span text, bool publish);
/** Withdraws all tokens of an owner. */
void acme_tokens_withdraw(struct guardian *g, const void *owner);
