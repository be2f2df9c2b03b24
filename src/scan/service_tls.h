/* The TLS in which open ports are asked what they are: service_tls.c, or service_plain.c in a
 * program without a TLS library, which asks in plain HTTP. */
#pragma once

#include "base/buffer.h"
#include "scan/service.h"

struct tls_client_library;
struct tls_client; /**< one connection's */

/** Where bytes are put on their way; one will do for all connections. */
struct scan_tls_room {
    char in[32 * 1024];
    char out[64 * 1024];
};

/** @param ret_library  NULL where there is no TLS. @return 0, or ERR_TLS */
must_check int scan_tls_library_create(struct tls_client_library **ret_library);
void scan_tls_library_destroy(struct tls_client_library *library);
/** @param server_name  for SNI; NULL: none. @return 0, or ERR_TLS */
must_check int scan_tls_create(struct tls_client_library *library, const char *server_name,
                               struct tls_client **ret_tls);
void scan_tls_destroy(struct tls_client *tls);
/** Goes on with the handshake: takes from `heard` what it has read.
 *  @param ret_out  bytes for the server, within `room`; written in every case
 *  @return 1 when it is done, 0 when it waits for more, ERR_TLS */
must_check int scan_tls_go_on(struct tls_client *tls, struct buffer *heard,
                              struct scan_tls_room *room, struct span *ret_out);
/** Notes version, ALPN and the certificate. */
void scan_tls_describe(const struct tls_client *tls, struct scan_service *service);
