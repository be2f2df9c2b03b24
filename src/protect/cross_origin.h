/* Requests that a page of another origin made a browser send (cross-site request forgery), told by
 * the algorithm of Go 1.25's http.CrossOriginProtection. */
#pragma once

#include "protect/stages.h"

/** Judges by Sec-Fetch-Site, else by Origin against the host. Paths and origins that are exempt are
 *  the policy's.
 *  @param host  host[:port] as the client named it
 *  @return static text, or NULL when it is of the same origin or of no browser */
const char *cross_origin_judge(const struct http_request *request, struct span host);

extern const struct protect_policy cross_origin_policy; /**< its state is a struct protect_notes */
