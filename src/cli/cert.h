/* Words of `gardien cert` that have files of their own. */
#pragma once

#include "cli/cli.h"

/** `cert list`: each site's certificates, by a running gardien. @return an enum app_exit */
int cert_list(const struct arguments *arguments);
/** `cert issue`, `cert renew` and `cert revoke`: begun by a running gardien and watched to the end.
 *  @param word  which of them
 *  @return an enum app_exit */
int cert_order(const struct arguments *arguments, const char *word);
/** `cert local`: makes or renews a certificate of the local CA. @return an enum app_exit */
int cert_local(const struct arguments *arguments, const char *state);
/** The chain files of a site of the running gardien; says why when there are none.
 *  @param ret_paths  a new reference to an array of strings
 *  @return an enum app_exit */
int cert_site_chains(const struct arguments *arguments, const char *name, json_t **ret_paths);
