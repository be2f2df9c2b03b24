/* What protection demands of the requests of a route: the settings of all sites, of a site and of a
 * route, of which the inner ones win key by key. */
#pragma once

#include "base/span.h"
#include "config/config.h"
#include "protect/peer_network.h"

struct rate_rules;

enum protect_mode {
    PROTECT_INHERIT, /**< as the settings around it say */
    PROTECT_OFF,
    PROTECT_WATCH, /**< logged, nothing is refused or changed */
    PROTECT_ON,
};

enum protect_headers {
    PROTECT_HEADERS_INHERIT,
    PROTECT_HEADERS_OFF,
    PROTECT_HEADERS_BASIC,
    PROTECT_HEADERS_STRICT,
};

/** As written at one level. */
struct protect_rules_settings {
    int secrets;      /**< enum protect_mode; the same below */
    int cross_origin; /**< inherited from nowhere: watch for what is forwarded, off for the rest */
    struct config_strings cross_origin_allow;  /**< origins that may; none: as around it */
    struct config_strings cross_origin_exempt; /**< paths where all may; none: as around it */
    int cookies;
    int security_headers; /**< enum protect_headers */
    int malware;
    int rate_mode;
    struct config_strings allow; /**< networks, from which alone one may ask; none: as around it */
    struct config_strings deny;  /**< networks, from which nobody may; none: as around it */
    int64_t login_failed;        /**< status; 0: as around it */
    struct config_list rates;    /**< of struct rate_settings; those of all levels count */
};

enum { PROTECT_LEVELS = 3 }; /* all sites, a site, a route */

/** Of a route. */
struct protect_route_settings {
    struct protect_rules_settings rules;
};

/** What is in force for a route. The lists live in the settings. */
struct protect_rules {
    enum protect_mode secrets;
    enum protect_mode cross_origin;
    enum protect_mode cookies;
    enum protect_headers security_headers;
    enum protect_mode malware;
    enum protect_mode rate_mode;
    int login_failed; /**< status of an answer to a login that failed; 0: none */
    const struct config_strings *allow, *deny;       /**< networks; NULL: none are listed */
    const struct rate_rules *rates[PROTECT_LEVELS];  /**< NULL: none; filled by who compiles them */
    const struct config_strings *cross_origin_allow; /**< never NULL */
    const struct config_strings *cross_origin_exempt; /**< never NULL */
};

/** The rows, for a struct that embeds the settings as `member`; the structs of all three levels
 *  do. */
#define PROTECT_RULES_ROWS(owner, member)                                                          \
    {.name = "secrets",                                                                            \
     .type = CONFIG_ENUM,                                                                          \
     .offset = offsetof(owner, member.secrets),                                                    \
     .def = "inherit",                                                                             \
     .choices = protect_modes,                                                                     \
     .help = protect_help_secrets},                                                                \
        {.name = "cross_origin",                                                                   \
         .type = CONFIG_ENUM,                                                                      \
         .offset = offsetof(owner, member.cross_origin),                                           \
         .def = "inherit",                                                                         \
         .choices = protect_modes,                                                                 \
         .help = protect_help_cross_origin,                                                        \
         .example = "on"},                                                                         \
        {.name = "cross_origin_allow",                                                             \
         .type = CONFIG_STRINGS,                                                                   \
         .offset = offsetof(owner, member.cross_origin_allow),                                     \
         .max = 64,                                                                                \
         .check = protect_origin_check,                                                            \
         .help = protect_help_cross_origin_allow,                                                  \
         .example = "[\"https://accounts.example.com\"]"},                                         \
        {.name = "cross_origin_exempt",                                                            \
         .type = CONFIG_STRINGS,                                                                   \
         .offset = offsetof(owner, member.cross_origin_exempt),                                    \
         .max = 64,                                                                                \
         .check = protect_path_check,                                                              \
         .help = protect_help_cross_origin_exempt,                                                 \
         .example = "[/hooks/]"},                                                                  \
        {.name = "cookies",                                                                        \
         .type = CONFIG_ENUM,                                                                      \
         .offset = offsetof(owner, member.cookies),                                                \
         .def = "inherit",                                                                         \
         .choices = protect_modes,                                                                 \
         .help = protect_help_cookies,                                                             \
         .example = "on"},                                                                         \
        {.name = "rates",                                                                          \
         .type = CONFIG_LIST,                                                                      \
         .offset = offsetof(owner, member.rates),                                                  \
         .max = 64,                                                                                \
         .rows = rate_rows,                                                                        \
         .size = sizeof(struct rate_settings),                                                     \
         .scalar = "rate",                                                                         \
         .help = protect_help_rates,                                                               \
         .example = "[{name: login, path: /login, rate: 5/m}]"},                                   \
        {.name = "allow",                                                                          \
         .type = CONFIG_STRINGS,                                                                   \
         .offset = offsetof(owner, member.allow),                                                  \
         .max = 256,                                                                               \
         .check = peer_network_check,                                                              \
         .help = protect_help_allow,                                                               \
         .example = "[192.0.2.0/24, \"2001:db8::/32\"]"},                                          \
        {.name = "deny",                                                                           \
         .type = CONFIG_STRINGS,                                                                   \
         .offset = offsetof(owner, member.deny),                                                   \
         .max = 256,                                                                               \
         .check = peer_network_check,                                                              \
         .help = protect_help_deny,                                                                \
         .example = "[198.51.100.0/24]"},                                                          \
        {.name = "malware",                                                                        \
         .type = CONFIG_ENUM,                                                                      \
         .offset = offsetof(owner, member.malware),                                                \
         .def = "inherit",                                                                         \
         .choices = protect_modes,                                                                 \
         .help = protect_help_malware,                                                             \
         .example = "on"},                                                                         \
        {.name = "login_failed",                                                                   \
         .type = CONFIG_INT,                                                                       \
         .offset = offsetof(owner, member.login_failed),                                           \
         .max = 599,                                                                               \
         .def = "0",                                                                               \
         .help = protect_help_login_failed,                                                        \
         .example = "401"},                                                                        \
        {.name = "rate_mode",                                                                      \
         .type = CONFIG_ENUM,                                                                      \
         .offset = offsetof(owner, member.rate_mode),                                              \
         .def = "inherit",                                                                         \
         .choices = protect_modes,                                                                 \
         .help = protect_help_rate_mode},                                                          \
    {                                                                                              \
        .name = "security_headers", .type = CONFIG_ENUM,                                           \
        .offset = offsetof(owner, member.security_headers), .def = "inherit",                      \
        .choices = protect_headers_words, .help = protect_help_security_headers,                   \
        .example = "basic"                                                                         \
    }

extern const char *const protect_modes[];
extern const char *const protect_headers_words[];
extern const char protect_help_secrets[], protect_help_cross_origin[];
extern const char protect_help_cross_origin_allow[], protect_help_cross_origin_exempt[];
extern const char protect_help_allow[], protect_help_deny[];
extern const char protect_help_login_failed[], protect_help_malware[];
extern const char protect_help_rates[], protect_help_rate_mode[];
extern const char protect_help_cookies[], protect_help_security_headers[];

/** For schema rows: NULL when the text is an origin ("https://host[:port]"), else what is wrong. */
const char *protect_origin_check(const char *text);
/** The same for a path beginning with a slash. */
const char *protect_path_check(const char *text);

/** Whether a request's path is `base` or lies beneath it, by whole segments. */
bool protect_path_beneath(struct span path, struct span base);

/** Merges the levels of settings, the outermost first.
 *  @param proxied  the route forwards requests to an application */
void protect_rules_merge(const struct protect_rules_settings *const *levels, size_t count,
                         bool proxied, struct protect_rules *ret_rules);
