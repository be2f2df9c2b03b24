/* Error pages: the site's own, or a small one of ours. */
#pragma once

#include "serve/request.h"

/** Gives an error (status >= 400) without a body its page: content type, length and body.
 *  @return false when the exchange's memory is full; *response and *ret_body are unchanged then */
must_check bool error_page_add(struct request *r, struct http_response *response,
                               struct http_body **ret_body);
