/* IP addresses as text, and what kind of address one is. Names are not looked up here. */
#pragma once

#include "os/socket.h"

enum { ADDRESS_TEXT = 80 }; /**< "[fe80::1234:5678:9abc:def0%some-interface]:65535" with its NUL */

/** Reads "192.0.2.1", "2001:db8::1" (brackets may stand around it) or "fe80::1%eth0".
 *  @return 0, or ERR_SYNTAX when it is no address */
must_check int address_from_ip(const char *text, uint16_t port, struct socket_address *ret_address);
void address_set_port(struct socket_address *address, uint16_t port);
bool address_is_ipv6(const struct socket_address *address);
/** "192.0.2.1" or "2001:db8::1"; yields `out`. */
const char *address_ip_text(const struct socket_address *address, char out[ADDRESS_TEXT]);
/** "192.0.2.1:443" or "[2001:db8::1]:443"; yields `out`. */
const char *address_text(const struct socket_address *address, char out[ADDRESS_TEXT]);
/** What makes an address no public one, as a noun ("a private address"), or NULL for public ones.
 *  Source: the IANA special-purpose address registries (RFC 6890) */
const char *address_special(const struct socket_address *address);
