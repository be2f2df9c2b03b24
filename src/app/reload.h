/* Settings taking effect, at the start and at each reload. */
#pragma once

#include "base/nsec.h"
#include <stdint.h>

struct guardian;
struct worker_process; /* supervise.h */

#define DRAIN_AFTER_RELOAD (24 * 3600 * NSEC_PER_SEC)

/** Reads the settings anew and serves them; also the start. One that is asked for while another is
 *  under way follows it. */
void reload_begin(struct guardian *g);
/** Is a certificate of the local CA due? Once an hour at most. */
void reload_renew(struct guardian *g, nsec_t now);
/** Serves the folders that paths lead to now, by the settings in force; not while a reload is under
 *  way. */
void reload_folders(struct guardian *g);
void reload_on_prepared(struct guardian *g, int status);
void reload_on_applied(struct guardian *g, struct worker_process *worker, uint64_t generation);
void reload_on_failed(struct guardian *g, uint64_t generation, const char *why);
void reload_reopen_logs(struct guardian *g);
