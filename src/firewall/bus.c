/* sd-bus, a connection for each call: calls are few and far between. */
#include "firewall/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/error.h"

enum { CALL_TIMEOUT = 25 * 1000 * 1000 /* microseconds, as busctl waits */ };

bool bus_has_owner(const char *name)
{
    sd_bus *bus = NULL;
    int r = sd_bus_open_system(&bus);

    if (r >= 0)
        r = sd_bus_get_name_creds(bus, name, 0, NULL);
    sd_bus_unref(bus);
    return r >= 0;
}

static int append(sd_bus_message *message, char type, const char *arg)
{
    if (type == 's')
        return sd_bus_message_append_basic(message, type, arg);
    if (type == 'b') {
        int truth = strcmp(arg, "true") == 0;
        return sd_bus_message_append_basic(message, type, &truth);
    }
    if (type != 'i' && type != 'u')
        return -EINVAL;
    int32_t number = (int32_t)strtol(arg, NULL, 10);
    return sd_bus_message_append_basic(message, type, &number);
}

static int call(sd_bus *bus, const struct plan_action *action, sd_bus_error *error)
{
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, action->dbus.service, action->dbus.path,
                                           action->dbus.interface, action->dbus.method);

    for (size_t i = 0; r >= 0 && action->dbus.types && action->dbus.types[i]; i++)
        r = append(message, action->dbus.types[i], action->dbus.args[i]);
    if (r >= 0)
        r = sd_bus_call(bus, message, CALL_TIMEOUT, error, NULL);
    sd_bus_message_unref(message);
    return r;
}

/* Errors of firewalld have one D-Bus name; which it is stands at the front of the message. */
static bool is_fine(const struct plan_action *action, const sd_bus_error *error)
{
    const char *fine = action->dbus.fine;

    return action->lenient ||
           (fine && ((error->name && strcmp(error->name, fine) == 0) ||
                     (error->message && strncmp(error->message, fine, strlen(fine)) == 0)));
}

int bus_call(const struct plan_action *action, struct diags *diags)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus *bus = NULL;
    int r = sd_bus_open_system(&bus);

    if (r >= 0)
        r = call(bus, action, &error);
    if (r < 0 && is_fine(action, &error))
        r = 0;
    if (r < 0)
        diag_hint(diags_add(diags, "%s refused %s: %s", action->dbus.service, action->dbus.method,
                            error.message ? error.message : error_text(r)),
                  "is it running? `busctl status %s` says", action->dbus.service);
    sd_bus_error_free(&error);
    sd_bus_unref(bus);
    return r < 0 ? r : 0;
}
