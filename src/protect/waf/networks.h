/* Lists of IP addresses and networks (@ipMatch). */
#pragma once

#include "base/error.h"
#include "base/span.h"

struct waf_networks;

struct waf_networks *waf_networks_create(void);
void waf_networks_destroy(struct waf_networks *networks);
/** "192.0.2.0/24", "2001:db8::1". @return 0, or ERR_SYNTAX */
must_check int waf_networks_add(struct waf_networks *networks, struct span text);
/** Does one hold the address? Text that is no address is in none. */
bool waf_networks_hold(const struct waf_networks *networks, struct span address);
