/* The firewall's verdict about a stranger's packet, from the best witness at hand. */
#pragma once

#include "firewall/look.h"
#include "firewall/path.h"

struct network_place;
struct status_asker;

/** What all questions share. @param look  outlives it */
struct status_asker *status_asker_create(const struct look *look);
void status_asker_destroy(struct status_asker *asker);
/** A stranger's packet that arrives at a place: sets its interface and addresses. */
void status_probe_fill(struct firewall_probe *probe, const struct network_place *place);
/** Fills an empty path whose probe is set; FIREWALL_UNKNOWN with a reason where nobody can tell. */
void status_ask(struct status_asker *asker, struct firewall_path *path);
