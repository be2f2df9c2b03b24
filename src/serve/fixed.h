/* `respond` of a route: a fixed answer. */
#pragma once

#include "config/config.h"
#include "serve/handler.h"

struct respond_settings {
    int64_t status; /**< 200..599 */
    char *body;     /**< NULL: none; an error then gets its page */
    char *type;     /**< content-type */
};

extern const struct config_row respond_rows[];
/** Its config is a const struct respond_settings, which outlives it. */
extern const struct handler respond_handler;
