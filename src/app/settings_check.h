/* What the parts of settings_check() share. */
#pragma once

#include "app/settings.h"

struct check {
    const struct config_tree *tree;
    const struct settings *settings;
    struct diags *diags;
};

/** Fields that the server may send. @param base  where they stand, such as "sites[0].headers" */
void check_headers(const struct check *check, const char *base,
                   const struct settings_headers *headers);
/** Weights and targets of `upstreams`. */
void check_groups(const struct check *check);
/** What a site answers. */
void check_site(const struct check *check, size_t at);
