/* OCSP answers for certificates that name a responder: who is asked when, and what came of it. */
#pragma once

#include "app/ocsp.h"
#include <stdbool.h>
#include <sys/types.h>

struct guardian;
struct key; /* key_ring.h */

/** The key's certificate names a responder: it is asked from now on, for as long as the key is in
 *  use. @param name   of its site, for messages
 *  @param known  what the prepare process found; copied */
void stapler_attach(struct guardian *g, struct key *key, const char *name,
                    const struct ocsp_answer *known);
/** Ends that. */
void stapler_detach(struct key *key);
/** What to staple for the key's certificate, or NULL; valid until the next event. */
const struct ocsp_answer *stapler_answer(const struct key *key);
/** The process of this pid ended. @return whether it asked a responder */
bool stapler_on_exit(struct guardian *g, pid_t pid, int status);
