/* Addresses of upstream servers as users write them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

enum { UPSTREAM_HOST_MAX = 256, UPSTREAM_PATH_MAX = 108, UPSTREAM_TEXT_MAX = 300 };

/** Where an upstream server listens. Names are not looked up here. */
struct upstream_address {
    char host[UPSTREAM_HOST_MAX]; /**< name or IP address without brackets; "" for a Unix socket */
    char path[UPSTREAM_PATH_MAX]; /**< of a Unix socket; "@name" for an abstract one; "" for TCP */
    uint16_t port;
    bool secure; /**< TLS */
};

/** Reads ":3000", "3000", "127.0.0.1:3000", "[::1]:3000", "app.internal:80", "unix:/run/app.sock",
 *  "unix:@abstract", each with "http://" before it if one likes, or "https://" for TLS. Without a
 *  host it is localhost, by whichever family listens there; with a scheme the port may lack.
 *  @return NULL, or what is wrong as a sentence's end */
must_check const char *upstream_address_parse(const char *text,
                                              struct upstream_address *ret_address);
/** For schema rows: NULL, or what is wrong as a sentence's end. */
const char *upstream_address_check(const char *text);
/** One form for all ways to write an address: "localhost:3000", "https://[::1]:3000",
 *  "unix:/run/app.sock". Yields `out`. */
const char *upstream_address_text(const struct upstream_address *address,
                                  char out[UPSTREAM_TEXT_MAX]);
/** What a Host field says of it: without scheme, and without the scheme's own port. Yields `out`.
 */
const char *upstream_address_authority(const struct upstream_address *address,
                                       char out[UPSTREAM_TEXT_MAX]);
/** The number by which workers ask the connector for it: a hash of the text. */
uint64_t upstream_address_id(const struct upstream_address *address);
