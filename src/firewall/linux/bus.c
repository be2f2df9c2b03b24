/* sd-bus, a connection for each call: calls are few and far between. */
#include "firewall/linux/bus.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/error.h"

enum { CALL_TIMEOUT = 25 * 1000 * 1000 /* microseconds, as busctl waits */ };

bool bus_available(void)
{
    return true;
}

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

/* ---- answers ---- */

enum { VALUES_MAX = 65536, DEPTH_MAX = 8 };

struct reading {
    sd_bus_message *message;
    size_t values;
    int depth;
};

static json_t *read_value(struct reading *reading);

static json_t *read_basic(struct reading *reading, char type)
{
    union {
        const char *text;
        int truth;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        double real;
    } value = {0};

    if (sd_bus_message_read_basic(reading->message, type, &value) <= 0)
        return NULL;
    switch (type) {
    case 'b':
        return json_boolean(value.truth);
    case 'y':
        return json_integer(value.u8);
    case 'n':
        return json_integer(value.i16);
    case 'q':
        return json_integer(value.u16);
    case 'i':
        return json_integer(value.i32);
    case 'u':
        return json_integer(value.u32);
    case 'x':
    case 't':
        return json_integer(value.i64);
    case 'd':
        return json_real(value.real);
    default:
        return json_string(value.text);
    }
}

/* Entries of a dictionary are read as [key, value]. */
static json_t *object_of(json_t *pairs)
{
    json_t *object = json_object(), *pair;
    size_t i;

    json_array_foreach(pairs, i, pair)
    {
        const char *key = json_string_value(json_array_get(pair, 0));
        if (key)
            json_object_set(object, key, json_array_get(pair, 1));
    }
    json_decref(pairs);
    return object;
}

/* The values of an array, a struct or an entry. */
static json_t *read_items(struct reading *reading)
{
    json_t *items = json_array();

    while (sd_bus_message_at_end(reading->message, 0) == 0) {
        json_t *item = read_value(reading);
        if (!item || ++reading->values > VALUES_MAX) {
            json_decref(item);
            json_decref(items);
            return NULL;
        }
        json_array_append_new(items, item);
    }
    return items;
}

static json_t *read_container(struct reading *reading, char type, const char *contents)
{
    json_t *result = NULL;

    if (reading->depth == DEPTH_MAX ||
        sd_bus_message_enter_container(reading->message, type, contents) <= 0)
        return NULL;
    reading->depth++;
    result = type == 'v' ? read_value(reading) : read_items(reading);
    reading->depth--;
    if (result && sd_bus_message_exit_container(reading->message) < 0) {
        json_decref(result);
        return NULL;
    }
    return result && type == 'a' && contents[0] == '{' ? object_of(result) : result;
}

static json_t *read_value(struct reading *reading)
{
    const char *contents = NULL;
    char type = 0;

    if (sd_bus_message_peek_type(reading->message, &type, &contents) <= 0)
        return NULL;
    return strchr("avre", type) ? read_container(reading, type, contents)
                                : read_basic(reading, type);
}

json_t *bus_ask(const char *service, const char *path, const char *interface, const char *method,
                const char *const *args)
{
    sd_bus *bus = NULL;
    sd_bus_message *question = NULL, *answer = NULL;
    json_t *result = NULL;
    int r = sd_bus_open_system(&bus);

    if (r >= 0)
        r = sd_bus_message_new_method_call(bus, &question, service, path, interface, method);
    for (; r >= 0 && args && *args; args++)
        r = sd_bus_message_append_basic(question, 's', *args);
    if (r >= 0)
        r = sd_bus_call(bus, question, CALL_TIMEOUT, NULL, &answer);
    if (r >= 0) {
        struct reading reading = {.message = answer};
        result = read_value(&reading);
    }
    sd_bus_message_unref(answer);
    sd_bus_message_unref(question);
    sd_bus_unref(bus);
    return result;
}
