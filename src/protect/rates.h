/* Rate limits: how often an address, a header's value, a cookie or a path may be asked for. */
#pragma once

#include "config/config.h"
#include "protect/rate_table.h"
#include "protect/stages.h"

/** One of `rates`, as written. */
struct rate_settings {
    char *name;
    char *key;  /**< "address", "path", "header:NAME", "cookie:NAME" */
    char *rate; /**< "20/s", "100/m", "1000/h", "10/d" */
    int64_t burst;
    char *path;
    struct config_strings methods;
};

extern const struct config_row rate_rows[];

enum rate_kind { RATE_BY_ADDRESS, RATE_BY_PATH, RATE_BY_HEADER, RATE_BY_COOKIE };

/** One of them, ready to be applied. Texts live in the settings. */
struct rate_rule {
    uint64_t id; /**< the same for the same rule in another snapshot */
    enum rate_kind kind;
    char *field; /**< lower case, of a header; as written, of a cookie; NULL */
    struct rate rate;
    nsec_t window; /**< that `rate` names: a second, minute, hour or day */
    uint32_t quota;
    const struct rate_settings *settings;
};

struct rate_rules {
    struct rate_rule *items;
    size_t count;
};

/** "20/s" … @return 0, or ERR_SYNTAX or ERR_LIMIT */
must_check int rate_parse(const char *text, uint32_t *ret_count, nsec_t *ret_window);
/** @param settings  of struct rate_settings, checked by their rows; outlives the result
 *  @param scope  where they stand, so that the same words elsewhere are another rule */
void rate_rules_create(const struct config_list *settings, struct span scope,
                       struct rate_rules *ret_rules);
void rate_rules_finish(struct rate_rules *rules);

/** Whether a rule counts a request. */
bool rate_rule_concerns(const struct rate_rule *rule, const struct protect_question *question);

/** A worker's policy. */
struct rates {
    struct protect_notes *notes;
    struct rate_table *table;
};

extern const struct protect_policy rates_policy; /**< its state is a struct rates */

/** A worker's policy of requests at once. */
struct requests_at_once {
    struct protect_notes *notes;
    struct peers *peers;
    unsigned worker;
    uint32_t max; /**< per address; 0: no limit */
};

extern const struct protect_policy requests_at_once_policy; /**< struct requests_at_once */
