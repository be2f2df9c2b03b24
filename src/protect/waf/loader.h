/* What the parts of the loader share. */
#pragma once

#include "base/diag.h"
#include "protect/waf/files.h"
#include "protect/waf/rules.h"

struct waf_loader {
    struct waf_rules *rules;
    struct waf_files *set;
    struct diags *diags;
    const char *file; /* the present one, kept by rules->files */
    unsigned line;
    struct waf_rule *chain; /* the last link of a chain that goes on, or NULL */
    struct waf_rule *head;  /* of that */
    unsigned depth;         /* of Include */
};

/** A mistake at the present line. @return ERR_SETTINGS */
int waf_mistake(struct waf_loader *loader, const char *sentence, ...) printf_like(2, 3);
/** Sets the hint of the last mistake. @return ERR_SETTINGS */
int waf_hint(struct waf_loader *loader, const char *hint, ...) printf_like(2, 3);

/** "ARGS|!ARGS:a|&TX:/x/". @return 0, or ERR_SETTINGS with a diag */
must_check int waf_load_targets(struct waf_loader *loader, struct span text,
                                struct waf_target **ret_targets, size_t *ret_count);
/** One of them, without '!' and '&'. */
must_check int waf_load_target(struct waf_loader *loader, struct span text,
                               struct waf_target *target);
void waf_target_finish(struct waf_target *target);
/** "!@rx ..." */
must_check int waf_load_operator(struct waf_loader *loader, struct span text,
                                 struct waf_rule *rule);
void waf_operator_finish(struct waf_rule *rule);
/** "id:1,phase:2,..."; `rule` has its defaults. */
must_check int waf_load_actions(struct waf_loader *loader, struct span text, struct waf_rule *rule);
/** SecDefaultAction. */
must_check int waf_load_default(struct waf_loader *loader, struct span text);
void waf_actions_finish(struct waf_rule *rule);
/** Text with macros in it; an unknown variable is a mistake. */
must_check int waf_load_macro(struct waf_loader *loader, struct span text,
                              struct waf_macro *ret_macro);
