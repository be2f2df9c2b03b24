/* The local CA in its folder: loaded, made or replaced as it needs. */
#pragma once

#include "cert/issue.h"
#include "cert/local.h"

#define AUTHORITY_FOLDER "local-ca"
/** A CA is replaced this long before its end. */
#define AUTHORITY_REMAKE ((nsec_t)30 * 24 * 3600 * NSEC_PER_SEC)

/** The CA ready to sign; the state folder is locked by the caller.
 *  @param ret_ca  for issued_finish()
 *  @return 0, or what cert_local_ensure() returns, with a diag */
must_check int authority_ensure(const struct cert_local_request *request, struct diags *diags,
                                struct issued *ret_ca, enum cert_local_outcome *ret_outcome);
