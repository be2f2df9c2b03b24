/* Asking a running gardien, through the socket in its state folder. */
#pragma once

#include <jansson.h>
#include <sys/un.h>

#include "base/macros.h"
#include "base/nsec.h"

/** Sends one request ({"do": "reload"}) and waits for its answer, an object with "ok", and "diags"
 *  and "exit" (enum app_exit) where something is wrong.
 *  @param state  the state folder
 *  @param ret_answer  a new reference
 *  @return 0; -ENOENT or -ECONNREFUSED when no gardien runs there; -EACCES; ERR_TIMEOUT;
 *  ERR_PROTOCOL; -errno */
must_check int control_ask(const char *state, const json_t *request, nsec_t timeout,
                           json_t **ret_answer);
/** Where the socket `name` in a folder is. A socket's path may be 107 bytes, a folder's is not so
 *  bounded: this one goes through the folder's descriptor. */
struct sockaddr_un control_address(int folder, const char *name);
