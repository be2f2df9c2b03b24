/* One request as people write it down: a URL, a command line of curl, or a line of the access log.
 */
#pragma once

#include "base/arena.h"
#include "base/diag.h"
#include "http/http.h"

struct explain_request {
    struct http_request message; /**< method, host, target, path, query, fields */
    struct span body;
    struct span client; /**< as written; empty: not known */
    bool secure;
};

/** All of it lives in the arena.
 *  @return 0, or ERR_SYNTAX with a diag */
must_check int explain_read_curl(struct arena *arena, struct span command, struct diags *diags,
                                 struct explain_request *ret_request);
/** A line in the form combined, combined_plus or json.
 *  @param host  where the line names none; empty: none */
must_check int explain_read_log(struct arena *arena, struct span line, struct span host,
                                struct diags *diags, struct explain_request *ret_request);
must_check int explain_read_url(struct arena *arena, struct span url, struct diags *diags,
                                struct explain_request *ret_request);
