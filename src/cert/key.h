/* Private key files, as users have them: read, recognised when they are something else, wiped. */
#pragma once

#include <openssl/types.h>

#include "base/diag.h"
#include "base/span.h"

/** Reads the private key of a PEM file; what else the file may be is told with its hint. A key that
 *  every user may read gives a warning.
 *  @return 0 with a key for EVP_PKEY_free(); ERR_SYNTAX or -errno with a diag */
must_check int key_load(const char *path, struct diags *diags, EVP_PKEY **ret_key);
/** The first private key of PEM text, or NULL. */
EVP_PKEY *key_parse(struct span pem);
/** The key as PKCS#8 PEM text. @return a string of *ret_len bytes: wipe and free() it */
char *key_to_pem(EVP_PKEY *key, size_t *ret_len);
