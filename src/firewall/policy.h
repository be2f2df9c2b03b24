/* Rules of the Windows Firewall, made and removed through its own interface. Which rules are right
 * is windows.c's business; this is built for Windows only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

enum {
    POLICY_DOMAIN = 1,
    POLICY_PRIVATE = 2,
    POLICY_PUBLIC = 4,
    POLICY_TEXT_MAX = 256, /**< bytes of a name or a list of addresses, with its NUL */
};

/** A rule that allows one local port; all text is UTF-8. */
struct policy_rule {
    const char *name;
    const char *remote; /**< "192.0.2.0/24"; NULL: everybody */
    uint16_t port;
    bool udp, out;
    unsigned profiles; /**< POLICY_DOMAIN | ... */
};

/** Makes a rule, unless one of that name is there already; needs an administrator.
 *  @return 1 made; 0 there already; -EACCES without the right; -EINVAL for text that is too long or
 *  no UTF-8; -EIO for any other refusal */
must_check int policy_add(const struct policy_rule *rule);
/** Removes a rule of that name; none is no error. @return 0, or an error as of policy_add() */
must_check int policy_remove(const char *name);
