/* For builds without libsystemd: no D-Bus. */
#include <errno.h>

#include "firewall/linux/bus.h"

bool bus_available(void)
{
    return false;
}

bool bus_has_owner(const char *name)
{
    return false;
}

int bus_call(const struct plan_action *action, struct diags *diags)
{
    diag_hint(diags_add(diags, "%s cannot be asked: this gardien is built without libsystemd",
                        action->dbus.service),
              "build gardien with libsystemd (on Debian: libsystemd-dev)");
    return -EOPNOTSUPP;
}

json_t *bus_ask(const char *service, const char *path, const char *interface, const char *method,
                const char *const *args)
{
    return NULL;
}
