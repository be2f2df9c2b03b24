/* What firewalld says of itself over D-Bus. */
#pragma once

#include <jansson.h>

#define FIREWALLD_SERVICE "org.fedoraproject.FirewallD1"
#define FIREWALLD_PATH "/org/fedoraproject/FirewallD1"

/** Asks the running firewalld:
 *  {"default": ZONE, "panic": true in panic mode, "services": [NAME, …], "uplinks": [INTERFACE of a
 * default route, …], "zones": {ZONE: {"path": of its permanent settings, "interfaces": [NAME, …],
 *                    "runtime": SETTINGS, "permanent": SETTINGS}}}
 *  where SETTINGS are firewalld's own: {"services": [NAME…], "ports": [["443", "tcp"]…],
 *  "rules_str": [RICH RULE…], "target": "default"}.
 *  @return a new reference, or NULL when it does not answer */
json_t *firewalld_read(void);
