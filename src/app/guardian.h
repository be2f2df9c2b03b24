/* The guardian as the command line sees it: starts everything, watches over it, and ends when told
 * to. It never meets a peer's byte nor a private key's. */
#pragma once

#include <stdbool.h>

#include "app/settings.h"
#include "base/exit.h"

struct guardian_options {
    struct settings_source source;
    char *const *argv; /**< of this program, for an upgrade to start the next one with */
    /** One step of the start is done: "certificate", "example.com: …". */
    void (*on_step)(void *context, const char *step, const char *text);
    /** What was found wrong, at the start. */
    void (*on_diags)(void *context, const struct diags *diags);
    void *context;
};

/** Serves until told to stop. @return an enum app_exit */
int guardian_run(const struct guardian_options *options);
