/* All bans with their reasons, as the process that decides about them keeps them: how long each
 * lasts, that it becomes longer for who comes back, and when it ends. It asks no clock and writes
 * nothing. */
#pragma once

#include "base/map.h"
#include "base/nsec.h"
#include "protect/peer_network.h"

enum { BAN_WHY_MAX = 200 };

enum ban_cause {
    BAN_BY_HAND,
    BAN_BY_SETTINGS,
    BAN_BY_WAF,
    BAN_BY_RATE,
    BAN_BY_NOT_FOUND,
    BAN_BY_LOGINS,
    BAN_CAUSES,
};

/** "hand", "settings", "waf" … */
const char *ban_cause_name(enum ban_cause cause);
/** @return 0, or ERR_NOT_FOUND */
must_check int ban_cause_parse(struct span name, enum ban_cause *ret_cause);

struct ban {
    struct peer_network network;
    enum ban_cause cause;
    bool learned;     /**< a header named the address: it is no peer of this machine */
    unsigned strikes; /**< bans so far, this one included */
    nsec_t since;     /**< wall clock */
    nsec_t until;     /**< wall clock; past: it is kept to remember the strikes */
    bool in_force;    /**< until the end was noticed by ban_list_expire() */
    char why[BAN_WHY_MAX + 1];
};

struct ban_list {
    struct map bans; /**< by network, to struct ban */
    nsec_t max;      /**< no ban but those by hand and by settings lasts longer */
    size_t limit;    /**< most entries, a few more for bans by hand and by settings */
    nsec_t emptied;  /**< when ended bans were last forgotten for lack of room */
};

/** @param secret  as map_init() */
void ban_list_init(struct ban_list *list, const uint64_t secret[2]);
void ban_list_finish(struct ban_list *list);
/** Bans, or prolongs a ban. One that is in force is never made shorter but by hand. Each ban of the
 *  same network that is not by hand or by settings is twice as long as the one before.
 *  @param wanted  network, cause, learned, why; the rest is filled in
 *  @param time  of a first ban
 *  @return the ban, which stays the list's; NULL when the list is full */
const struct ban *ban_list_add(struct ban_list *list, const struct ban *wanted, nsec_t time,
                               nsec_t now);
/** Puts back what was written down, as it was. @return false when the list is full */
bool ban_list_restore(struct ban_list *list, const struct ban *ban);
/** Lifts a ban and forgets its strikes. @return false when there is none in force */
bool ban_list_lift(struct ban_list *list, const struct peer_network *network);
/** The ban in force that covers an address; NULL without. */
const struct ban *ban_list_find(const struct ban_list *list, struct peer_address address,
                                nsec_t now);
/** Notices ends, and forgets strikes after a time as long as the ban was, at least a day.
 *  @param on_end  called with each ban that ended since the last call */
void ban_list_expire(struct ban_list *list, nsec_t now,
                     void (*on_end)(void *context, const struct ban *ban), void *context);
/** Walks all entries, those past included: start with *cursor = 0. @return NULL at the end */
const struct ban *ban_list_next(const struct ban_list *list, size_t *cursor);
