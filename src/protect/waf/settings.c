/* Settings `protect:` of the web application firewall. */
#include "protect/waf/settings.h"

#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"
#include "protect/rates.h"

static const char *const modes[] = {"inherit", "off", "watch", "on", NULL};
static const char *const levels[] = {"normal", "strict", "siege", NULL};

const struct config_row protect_rows[] = {
    {.name = "waf",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct protect_settings, waf),
     .def = "off",
     .choices = modes,
     .help = "web application firewall over the OWASP Core Rule Set: watch logs what it finds in "
             "requests, on refuses them with 403; bodies are held until they are looked at, up to "
             "128 KiB",
     .example = "watch"},
    {.name = "waf_level",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct protect_settings, waf_level),
     .def = "normal",
     .choices = levels,
     .help = "how suspicious it is: normal (paranoia level 1) is for every site; strict (2) and "
             "siege (4) refuse ordinary requests too, until exceptions are written"},
    {.name = "waf_rules",
     .type = CONFIG_PATHS,
     .offset = offsetof(struct protect_settings, waf_rules),
     .max = 64,
     .help = "files of rules in SecLang, in order, in place of those of Debian's package "
             "modsecurity-crs; patterns such as /etc/crs/rules/*.conf are fine",
     .example = "[/etc/crs/crs-setup.conf, \"/etc/crs/rules/*.conf\"]"},
    PROTECT_RULES_ROWS(struct protect_settings, rules),
    {.name = "bans",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct protect_settings, bans),
     .rows = bans_rows,
     .scalar = "mode",
     .help = "who is refused altogether, for how long, and why"},
    {.name = "clamd",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct protect_settings, clamd),
     .rows = clamd_rows,
     .scalar = "address",
     .help = "who looks for malware in bodies, where `malware` says so"},
    {.name = "rate_memory",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct protect_settings, rate_memory),
     .min = 1 << 16,
     .max = INT64_C(1) << 32,
     .def = "16MiB",
     .help = "memory that all workers share for `rates`, 8 bytes a client; when it is full, those "
             "are forgotten first who are nearest to having their whole burst again. Read at the "
             "start only"},
    CONFIG_END,
};

const struct config_row protect_site_rows[] = {
    {.name = "waf",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct protect_site_settings, waf),
     .def = "inherit",
     .choices = modes,
     .help = "the web application firewall for this site: off, watch, on, or inherit, as `protect` "
             "says for all sites",
     .example = "watch"},
    PROTECT_RULES_ROWS(struct protect_site_settings, rules),
    CONFIG_END,
};

/** What ModSecurity's recommended settings say before the rules: which body is read how, and that a
 *  body which cannot be read is refused. */
static const char first_rules[] =
    "SecRule REQUEST_HEADERS:Content-Type \"^(?:application(?:/soap\\+|/)|text/)xml\" "
    "\"id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML\"\n"
    "SecRule REQUEST_HEADERS:Content-Type \"^application/(?:[a-z0-9.-]+\\+)?json\" "
    "\"id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON\"\n"
    "SecRule REQBODY_ERROR \"!@eq 0\" \"id:200002,phase:2,t:none,log,deny,status:400,"
    "msg:'Failed to parse request body.',logdata:'%{reqbody_error_msg}',severity:2\"\n"
    "SecRule MULTIPART_STRICT_ERROR \"!@eq 0\" \"id:200003,phase:2,t:none,log,deny,status:400,"
    "msg:'Multipart request body failed strict validation'\"\n"
    "SecRule MULTIPART_UNMATCHED_BOUNDARY \"@eq 1\" \"id:200004,phase:2,t:none,log,deny,status:400,"
    "msg:'Multipart parser detected a possible unmatched boundary.'\"\n";

int waf_load_settings(const struct protect_settings *settings, struct waf_files *set,
                      struct diags *diags, struct waf_rules **ret_rules)
{
    static const char *const packaged[] = {
        "/etc/modsecurity/crs/crs-setup.conf",
        "/etc/modsecurity/crs/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf",
        "/usr/share/modsecurity-crs/rules/*.conf",
        "/etc/modsecurity/crs/RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf",
    };
    static const int paranoia[] = {1, 2, 4};
    int level = paranoia[settings->waf_level];
    bool own = settings->waf_rules.count > 0;
    scoped(mem_release) char *before =
        mem_format("%sSecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=%d,"
                   "setvar:tx.blocking_paranoia_level=%d\"\n",
                   first_rules, level, level);
    const struct waf_source source = {
        .set = set,
        .before = before,
        .files = own ? (const char *const *)settings->waf_rules.items : packaged,
        .count = own ? settings->waf_rules.count : ARRAY_SIZE(packaged),
    };

    int r = waf_load(&source, diags, ret_rules);
    if (r < 0 && !own && diags->count)
        diag_hint(&diags->items[diags->count - 1],
                  "install the OWASP Core Rule Set: apt-get install modsecurity-crs; or name rules "
                  "of your own in `waf_rules` of `protect`");
    return r;
}
