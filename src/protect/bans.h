/* Bans as a worker meets them: it refuses who is banned, and reports who deserves it. The process
 * of bans decides. */
#pragma once

#include "config/config.h"
#include "protect/ban_list.h"
#include "protect/ban_table.h"
#include "protect/rate_table.h"
#include "protect/stages.h"

/** Settings `protect: bans:`. */
struct bans_settings {
    int mode;    /**< enum protect_mode, of what is not banned by hand or by settings */
    nsec_t time; /**< of a first ban */
    nsec_t max;
    struct config_strings never;  /**< addresses and networks */
    struct config_strings always; /**< the same, banned while they stand there */
    char *not_found;              /**< how often each may happen, as in "60/m"; NULL: as it likes */
    char *waf;
    char *rates;
    char *logins;
    bool kernel; /**< packets are dropped in the kernel, too */
};

extern const struct config_row bans_rows[];

/** Tells who deserves a ban. It may come again and again for the same one. */
struct ban_report {
    struct peer_address address;
    uint8_t learned; /**< a header named it */
    uint8_t cause;   /**< enum ban_cause */
};

/** A worker's policy. */
struct bans {
    struct protect_notes *notes;
    const struct ban_table *table;
    struct rate_table *rates;
    bool reports;
    struct rate allowed[BAN_CAUSES]; /**< burst 0: as often as it likes */
    void (*report)(void *context, const struct ban_report *report);
    void *context;
};

/** The settings in force from now on; NULL: nobody is reported. */
void bans_set(struct bans *bans, const struct bans_settings *settings);

extern const struct protect_policy bans_policy; /**< its state is a struct bans */
