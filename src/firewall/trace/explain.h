/* A trace as a path for people: rules by their text, with what their manager calls them, and the
 * verdict where the trace tells it. */
#pragma once

#include "firewall/model/path.h"
#include "firewall/trace/prober.h"

/** The texts of chains, each asked for once: for as long as one question is answered. */
struct explain_chains;
struct explain_chains *explain_chains_create(void);
void explain_chains_destroy(struct explain_chains *chains);

/** Adds the steps and, where a rule or policy dropped the packet or it came to the end of its way,
 *  the verdict; else the verdict stays unknown. */
void explain_trace(struct explain_chains *chains, const struct prober_trace *trace,
                   struct firewall_path *path);
/** "8443" or "10.0.0.5:8443", where the packet went in the end; yields `text`. */
const char *explain_destination(const struct prober_trace *trace, int family, char text[64]);
/** The index of a rule that is none of this host's. */
#define EXPLAIN_ELSEWHERE SIZE_MAX

/** What the rule's manager calls the culprit ("ufw: deny 443/tcp"), and how it is fixed. For paths
 *  with a culprit in nftables. @param index  the rule's place in its chain, from 0, or
 *  EXPLAIN_ELSEWHERE: then this host's files and managers are not asked */
void explain_manager(struct firewall_path *path, size_t index);

/** The same for a path through rules of this host, whose culprit need not be one of them. */
void explain_rules(struct firewall_path *path);
