/* What the process of bans decides: who may never be banned, how long a ban lasts, and where it is
 * written and enforced. */
#pragma once

#include <jansson.h>

#include "app/process.h"
#include "app/settings.h"
#include "firewall/firewall.h"

struct ban_decisions {
    const struct process_start *start;
    struct ban_table *table;
    struct ban_list list;
    struct ban_journal journal;
    bool has_journal;
    struct settings *settings;
    struct peer_network *never; /* of the settings */
    size_t never_count;
    struct ban_rules rules;
    struct ban_rule *pending; /* for the kernel */
    size_t pending_count;
    size_t pending_room;
    bool kernel_failed; /* told once */
    bool stops;         /* gardien does: the kernel's table goes too */
    const char *kernel_state;
};

/** Begins: the table of an earlier process is emptied. */
void ban_decisions_init(struct ban_decisions *decisions, const struct process_start *start);
/** The kernel goes on with its bans, unless gardien stops: another program may have taken over. */
void ban_decisions_finish(struct ban_decisions *decisions);
/** Takes over the settings, and at the first time the two files of the journal.
 *  @param files  -1 where there is none; taken over */
void ban_decisions_set(struct ban_decisions *decisions, struct settings *settings,
                       const int files[2]);
/** A worker tells who deserves a ban. It may have been taken over. */
void ban_decisions_report(struct ban_decisions *decisions, const struct ban_report *report);
/** What people ask on the control socket: {"do": "ban" | "unban" | "bans" | "stop", "network",
 * "time", "why", "self"}. @return a new reference: the answer for them */
json_t *ban_decisions_ask(struct ban_decisions *decisions, const json_t *request);
/** Ends what is due, and brings the kernel up to date. To be called each second, and soon after a
 *  change. */
void ban_decisions_turn(struct ban_decisions *decisions);
