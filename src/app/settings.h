/* The settings of `gardien serve` as one struct, and the root table of rows that joins those of all
 * features. Reading the text is config/'s; acting on it is that of whoever owns the feature. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cert/cert.h"
#include "config/config.h"
#include "protect/protect.h"
#include "serve/serve.h"
#include "tls/tls.h"

struct settings_proxy_protocol {
    struct config_strings on;   /**< addresses of `listen` whose peers speak PROXY first */
    struct config_strings from; /**< CIDRs that may */
};

enum http3_mode { HTTP3_OFF, HTTP3_AUTO, HTTP3_ON };

struct settings_listen {
    struct config_strings https; /**< as written; a lone "off" stands for none */
    struct config_strings http;
    int http3; /**< enum http3_mode */
    struct settings_proxy_protocol proxy_protocol;
};

struct settings_logs {
    char *access; /**< absolute path, "stdout", "off"; NULL: settings_access_log() */
    int format;   /**< enum access_format */
    struct config_strings redact; /**< query parameters whose values are not logged */
    char *error;                  /**< absolute path or "stderr" */
};

/** What to do with fields of answers; `remove` first, then `set`, then `add`. */
struct settings_headers {
    struct config_pairs set;
    struct config_pairs add;
    struct config_strings remove;
};

struct settings_hsts {
    int64_t max_age; /**< ns; 0: not sent. Never sent for settings_name_is_local() */
    bool include_subdomains;
    bool preload;
};

struct settings_certificate {
    char *file; /**< chain, leaf first */
    char *key;  /**< NULL: in `file` as well */
};

/** One of `routes`: what answers beneath a path. */
struct settings_route {
    char *path;
    bool exact;
    struct redirect_settings *redirect; /**< exactly one of these is not NULL */
    struct respond_settings *respond;
    struct proxy_settings *proxy;
    struct files_settings *files;
    struct settings_headers headers; /**< of its answers, after those of the site */
    struct protect_route_settings protect;
};

struct settings_site {
    struct config_strings names; /**< lower case, ASCII, no final dot; the first is the main one */
    bool is_default;
    bool redirect_to_main;
    struct files_settings *files;      /**< NULL: nothing to serve */
    struct compress_settings compress; /**< of what handlers beside `files` answer */
    struct config_list routes;         /**< of struct settings_route */
    struct proxy_settings *proxy;      /**< NULL: nothing is forwarded */
    char *fallback;                 /**< moved to `files` by settings_decode(): NULL afterwards */
    struct config_list certificate; /**< of struct settings_certificate; none: the local CA */
    struct settings_headers headers;
    struct settings_hsts hsts;
    struct protect_site_settings protect;
};

struct settings_firewall {
    bool router; /**< keep the ports mapped at a home router */
    bool open;   /**< keep the ports open in this machine's firewall */
};

struct settings {
    struct settings_listen listen;
    struct tls_settings tls;
    struct limits_settings limits;
    struct protect_settings protect;
    struct settings_logs logs;
    struct settings_firewall firewall;
    struct acme_settings acme;
    struct settings_headers headers;       /**< of every site; a site's own come after and win */
    struct config_list sites;              /**< of struct settings_site */
    struct config_list upstreams;          /**< of struct upstream_settings */
    struct config_strings trusted_proxies; /**< CIDRs whose X-Forwarded-* are believed */
    char *state;                           /**< NULL: state_default() */
    char *user;            /**< whom unprivileged processes become; NULL: the default */
    int64_t workers;       /**< 0: one a CPU */
    int64_t stop_deadline; /**< ns */
    int64_t watchdog;      /**< ns; 0: none */
};

extern const struct config_row settings_rows[];

/** The sites as an array of settings->sites.count. */
static inline struct settings_site *settings_sites(const struct settings *settings)
{
    return settings->sites.items;
}

/** The routes of a site as an array of site->routes.count. */
static inline struct settings_route *settings_routes(const struct settings_site *site)
{
    return site->routes.items;
}

/** A folder that is served: `files` of a site, or of one of its routes. */
struct settings_folder {
    const struct files_settings *files; /**< with a root */
    size_t site;
    int route; /**< -1: the site's own */
};

/** All folders that are served: site by site, its own first, then those of its routes in their
 *  order. @return for free() */
struct settings_folder *settings_folders(const struct settings *settings, size_t *ret_count);

/** Decodes a tree and brings names into one form. `ret_settings` is written in every case, for
 *  checks that can go on, and is for settings_destroy().
 *  @return 0, or ERR_SETTINGS with diags */
must_check int settings_decode(const struct config_tree *tree, struct diags *diags,
                               struct settings **ret_settings);
/** NULL is fine. */
void settings_destroy(struct settings *settings);

/** Where settings come from: a file, or text that the command line was turned into. */
struct settings_source {
    const char *path;      /**< NULL: `text` */
    const char *text;      /**< JSON or YAML, paths absolute; NULL with `path` */
    const char *overrides; /**< a JSON object laid over what was read, key by key; or NULL */
};

struct settings_loaded {
    struct config_tree *tree; /**< as it was written, overrides left out: for places in messages */
    struct settings *settings;
    char *text; /**< flattened: what settings_parse() reads back */
};

/** Reads, decodes and cross-checks; every mistake found goes to diags.
 *  @return 0 (maybe with warnings), ERR_SETTINGS or -errno with a diag; finish it in every case
 */
must_check int settings_load(const struct settings_source *source, struct diags *diags,
                             struct settings_loaded *ret_loaded);
void settings_loaded_finish(struct settings_loaded *loaded);
/** Reads back the flattened text of settings that were checked.
 *  @return 0, or ERR_SETTINGS */
must_check int settings_parse(struct span text, struct settings **ret_settings);

/** Checks across values: names, addresses, header fields, folders. */
void settings_check(const struct config_tree *tree, const struct settings *settings,
                    struct diags *diags);
/** @return NULL for a host name (ASCII; maybe "*.rest") or IP address that a site may have, else
 *  what is wrong as a sentence's end */
const char *settings_name_wrong(const char *name);
/** Does the site get its certificate by ACME? With a name that no public CA certifies, or with one
 *  that this program cannot have validated, it does not.
 *  @param ret_name  the name because of which not, or NULL */
bool settings_site_has_acme(const struct settings *settings, const struct settings_site *site,
                            const char **ret_name, const char **ret_why);
/** The mode of the web application firewall for a site; NULL: for names that no site has.
 *  @return enum waf_mode, never WAF_MODE_INHERIT */
int settings_waf_mode(const struct settings *settings, const struct settings_site *site);
/** Has any site one? */
bool settings_use_waf(const struct settings *settings);
/** localhost, *.localhost, or an IP address. */
bool settings_name_is_local(const char *name);
/** The site for names that nobody has: the one marked `default`, else the first.
 *  @return index, or -1 without sites */
int settings_default_site(const struct settings *settings);

/** Where the access log goes: a path, "stdout", or "off". @return for free() */
char *settings_access_log(const struct settings *settings, const char *state);
/** Whom processes that meet peers become: `user`, else an account that exists, else the number that
 *  `nobody` has everywhere. @return NULL: as we are, since nobody but root can become another, nor
 *  root where there is no other user */
const char *settings_account(const struct settings *settings);
/** How many workers to run: 1..1024. */
unsigned settings_workers(const struct settings *settings);
