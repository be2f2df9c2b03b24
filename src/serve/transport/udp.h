/* HTTP/3 beside the TCP transport: UDP sockets, and the QUIC connections that come over them. */
#pragma once

#include "serve/server_state.h"

struct udp_listener;

/** Watches a socket; one that is known already is kept. @return 0, or a negative error */
must_check int udp_listen(struct server *server, const struct server_listener *wanted);
/** Before udp_listen() of each: forgets which are named. */
void udp_begin_apply(struct server *server);
/** Closes listeners that are not named, once their connections have ended in good order, and gives
 *  the others the new limits. */
void udp_end_apply(struct server *server);
/** Lets connections send that have a reason to, each a little. */
void udp_round(struct server *server);
/** Ends all connections in good order and takes no new ones. */
void udp_drain(struct server *server);
/** Cuts all, and closes the sockets. */
void udp_destroy(struct server *server);
/** Cuts the connection that holds most, if that is more than `fair` bytes. @return whether it did
 */
bool udp_relieve(struct server *server, int64_t fair);
