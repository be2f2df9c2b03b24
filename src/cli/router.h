/* What `open`, `close` and `serve` say of a router in front of this machine. */
#pragma once

#include "cli/cli.h"
#include "router/router.h"

/** Asks the router and prints what became of it, or hands it over as JSON.
 *  @param ret_json  NULL: it is printed; else a new reference, or NULL when nobody could be asked
 *  @return APP_OK when all ports were mapped or taken back, else APP_FAILED */
must_check int router_ask_and_tell(const struct router_request *request, json_t **ret_json);
