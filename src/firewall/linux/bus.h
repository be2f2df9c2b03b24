/* The system's D-Bus: is a service there, and a call of one of its methods. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/diag.h"
#include "firewall/plan/plan.h"

/** Is the program built with D-Bus? */
bool bus_available(void);
/** Has the name an owner? Also false where there is no bus. */
bool bus_has_owner(const char *name);
/** Carries out an action of kind PLAN_DBUS, waiting at most 25 seconds.
 *  @return 0, or -errno told in diags */
must_check int bus_call(const struct plan_action *action, struct diags *diags);

/** A method that only tells something.
 *  @param args  as many strings as the method takes, NULL-terminated; NULL for none
 *  @return what it told, dictionaries as objects and structs as arrays, a new reference; NULL when
 *  nobody answers, or with more than 65,536 values */
json_t *bus_ask(const char *service, const char *path, const char *interface, const char *method,
                const char *const *args);
