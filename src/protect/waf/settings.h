/* Settings `protect:` of the web application firewall. */
#pragma once

#include "config/config.h"
#include "protect/bans.h"
#include "protect/malware.h"
#include "protect/rules.h"
#include "protect/waf/load.h"

enum waf_mode {
    WAF_MODE_INHERIT, /**< of a site: as the settings for all sites say */
    WAF_MODE_OFF,
    WAF_MODE_WATCH, /**< matches are logged, nothing is refused */
    WAF_MODE_ON,
};

enum waf_level { WAF_LEVEL_NORMAL, WAF_LEVEL_STRICT, WAF_LEVEL_SIEGE };

struct protect_settings {
    int waf;                         /**< enum waf_mode */
    int waf_level;                   /**< enum waf_level */
    struct config_strings waf_rules; /**< files; none: those of Debian's modsecurity-crs */
    struct protect_rules_settings rules;
    int64_t rate_memory; /**< bytes */
    struct bans_settings bans;
    struct clamd_settings clamd;
};

/** Of a site. */
struct protect_site_settings {
    int waf; /**< enum waf_mode */
    struct protect_rules_settings rules;
};

extern const struct config_row protect_rows[];
extern const struct config_row protect_site_rows[];

/** Loads the rules that the settings name. @return 0, or ERR_SETTINGS with diags */
must_check int waf_load_settings(const struct protect_settings *settings, struct waf_files *set,
                                 struct diags *diags, struct waf_rules **ret_rules);
