/* Certificates with their keys in the state folder: loaded as pairs that fit, saved so that a crash
 * never leaves one that seems to. */
#pragma once

#include "cert/issue.h"

/** Waits up to ten seconds until no other gardien changes certificates in this state folder.
 *  @return a descriptor whose closing unlocks; ERR_TIMEOUT; -EPERM when the folder is not ours or
 *  others may write to it; -errno */
must_check int store_lock(int state_fd);
/** Loads the first certificate of one file and the key of another.
 *  @return 0; ERR_NOT_FOUND when there is neither; ERR_SYNTAX when they are damaged or do not fit
 *  together; -EPERM when others may read the key; -errno */
must_check int store_load(int folder, const char *cert_name, const char *key_name,
                          struct issued *ret_pair);
/** Saves both, the key first with 0600, the certificate with 0644. @return 0 or -errno */
must_check int store_save(int folder, const char *cert_name, const char *key_name,
                          const struct issued *pair);
