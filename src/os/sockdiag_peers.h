/* Who is connected to a TCP port of this machine, as the kernel lists it over netlink. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/** Addresses of the other ends of established connections to a local port; IPv4 is mapped into
 *  IPv6. The same address may come several times.
 *  @return how many were written, at most `max`, or -errno */
must_check int sockdiag_peers(uint16_t port, uint8_t (*addresses)[16], size_t max);
