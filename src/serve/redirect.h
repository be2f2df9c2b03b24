/* The redirect handlers: of plain HTTP to HTTPS, of a site's other names to the main one, and
 * `redirect` of a route. */
#pragma once

#include "config/config.h"
#include "serve/handler.h"

/** `redirect:` of a route. */
struct redirect_settings {
    char *to;       /**< "/new" or "https://example.com/new" */
    int64_t status; /**< 301, 302, 303, 307, 308 */
    bool keep_path; /**< what stands beneath the route's path is appended, and the query */
};

extern const struct config_row redirect_rows[];
extern const struct handler redirect_to_https_handler;
extern const struct handler redirect_to_main_handler;
/** Its config is a const struct redirect_settings, which outlives it. */
extern const struct handler redirect_handler;

/** Whether there is a place over HTTPS where this request of plain HTTP can be sent to. */
bool redirect_leads_to_https(const struct request *r);
/** Whether the request came by another exact name of its site that redirects to the main one. */
bool redirect_leads_to_main(const struct request *r);
bool redirect_is_ip_literal(struct span host);
/** @return NULL, or what is wrong with a target as a sentence's end */
const char *redirect_target_wrong(const char *to);
