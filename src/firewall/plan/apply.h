/* Carries a plan out, step by step; when a step fails, those before it are undone. */
#pragma once

#include "base/diag.h"
#include "firewall/plan/plan.h"

/** What happens meanwhile; may be NULL. `undone` is told in the order of undoing. */
struct apply_watch {
    void (*on_done)(void *context, const struct plan_step *step);
    void (*on_undone)(void *context, const struct plan_step *step);
    void *context;
};

/** Runs every step. @return 0, or an error told in diags, after which nothing of it is left but
 *  what diags says could not be undone */
must_check int plan_apply(const struct plan *plan, const struct apply_watch *watch,
                          struct diags *diags);
/** Takes a plan back that was applied, last step first. All undos are tried.
 *  @return 0, or the first error, each told in diags */
must_check int plan_undo(const struct plan *plan, const struct apply_watch *watch,
                         struct diags *diags);
