/* Plans for people and for programs. */
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/mem.h"
#include "firewall/plan/plan.h"
#include "report/printer.h"

static void print_typed(const struct printer *printer, const char *typed)
{
    struct span rest = span_str(typed), line;

    while (span_next(&rest, '\n', &line)) {
        fputs("       ", printer->out);
        printer_style(printer, STYLE_BOLD);
        printer_foreign(printer, line);
        printer_style(printer, STYLE_PLAIN);
        fputc('\n', printer->out);
    }
}

void plan_print(const struct printer *printer, const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->items[i];
        scoped(mem_release) char *reason = mem_format("%s: %s", step->manager, step->reason);
        scoped(mem_release) char *shown = escape_text(span_str(reason));
        fprintf(printer->out, "%4zu. ", i + 1);
        printer_wrap(printer, 6, 6, shown);
        if (step->typed)
            print_typed(printer, step->typed);
    }
    findings_print(printer, &plan->notes);
}

static const char *kind_name(enum plan_kind kind)
{
    static const char *const names[] = {
        [PLAN_NOTHING] = "nothing", [PLAN_COMMAND] = "command", [PLAN_NFT] = "nft",
        [PLAN_UNTAG] = "nft",       [PLAN_WRITE] = "write",     [PLAN_REMOVE] = "remove",
        [PLAN_DBUS] = "dbus",       [PLAN_SYSTEM] = "system",
    };

    return names[kind];
}

static json_t *argv_json(const struct plan_action *action)
{
    json_t *list = action->kind == PLAN_COMMAND ? json_array() : NULL;

    for (char **word = action->argv; list && *word; word++)
        json_array_append_new(list, json_string(*word));
    return list;
}

json_t *plan_json(const struct plan *plan)
{
    json_t *steps = json_array();

    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_step *step = &plan->items[i];
        json_array_append_new(steps, json_pack("{s:s, s:s, s:s, s:o*, s:s*, s:s*, s:s*}", "manager",
                                               step->manager, "kind", kind_name(step->action.kind),
                                               "reason", step->reason, "argv",
                                               argv_json(&step->action), "path", step->action.path,
                                               "typed", step->typed, "undo", step->untyped));
    }
    return json_pack("{s:o, s:o}", "steps", steps, "notes", findings_json(&plan->notes));
}
