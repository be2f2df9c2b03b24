/* From a snapshot to what a worker serves: sites by name, folders opened, TLS contexts made. */
#pragma once

#include "base/map.h"
#include "serve/serve.h"
#include "tls/tls.h"

struct snapshot;

/** What sites are made with. */
struct worker_materials {
    struct tls_library *tls;
    struct keys_remote *keys;
    struct proxy *proxy;
    uint64_t secret[2];
    struct map contexts; /**< TLS contexts in use, by profile and numbers of their keys: one costs
                              half a millisecond to make, which ten thousand sites would feel */
};

/** Makes the sites and the context in which TLS sessions begin. Takes over snapshot->settings; the
 *  snapshot's folders may be closed afterwards.
 *  @param ret_why  on failure: one line for the user, in a buffer of at least 256 bytes
 *  @return 0, or a negative error with nothing made */
must_check int worker_sites_create(struct snapshot *snapshot, struct worker_materials *materials,
                                   struct sites **ret_sites, struct tls_context **ret_tls,
                                   char *ret_why);
/** Lets go of the contexts that were kept for the next snapshot. */
void worker_sites_forget(struct worker_materials *materials);
