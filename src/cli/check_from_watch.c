/* `gardien check --from EYE --watch`: the first answer in full, then a line for each finding that
 * changed. An eye that has looked often enough is asked again when it may look, and is no change.
 */
#include <string.h>
#include <time.h>

#include "cli/check_from.h"
#include "cli/cli.h"
#include "os/interrupt.h"

static volatile sig_atomic_t interrupted;

static bool is_limited(const struct from_view *view)
{
    return view->error == 0 && view->outcome.answer.error == EYE_LIMITED;
}

static bool print_changes(const struct printer *printer, const struct from_view *before,
                          const struct from_view *after)
{
    char time[32], ip[ADDRESS_TEXT];
    bool other = from_view_seen(before) != from_view_seen(after) ||
                 (!from_view_seen(after) && strcmp(before->verdict, after->verdict) != 0);

    check_watch_time(time);
    size_t changes = check_watch_changes(printer, &before->outcome.answer.findings,
                                         &after->outcome.answer.findings, time);
    changes += check_watch_changes(printer, &before->joined, &after->joined, time);
    if (changes == 0 && !other)
        return false;
    if (from_view_seen(after))
        print_escaped(printer->out, "%s  %s, seen from %s\n", time, after->verdict,
                      address_ip_text(&after->eye, ip));
    else
        print_escaped(printer->out, "%s  %s\n", time, after->verdict);
    return true;
}

/* @return did anything change? */
static bool show(const struct printer *printer, const struct from *from,
                 const struct from_view *befores)
{
    bool changed = false;

    for (size_t i = 0; i < from->count; i++) {
        const struct from_view *before = &befores[i], *after = &from->views[i];
        if (before->verdict && !is_limited(after)) {
            changed = print_changes(printer, before, after) || changed;
        } else if (!before->verdict) {
            if (i > 0)
                fputc('\n', printer->out);
            from_print_view(printer, from, after);
        }
    }
    return changed;
}

static void print_views_line(const struct from *from)
{
    json_t *root = from_json(from);
    char time[32];

    check_watch_time(time);
    json_object_set_new(root, "time", json_string(time));
    print_json_line(root);
}

/* What the next check is compared with. @return the pause that the eye asks for, ns */
static nsec_t keep(struct from_view *before, struct from_view *after)
{
    nsec_t wait = is_limited(after) ? after->outcome.answer.wait * NSEC_PER_SEC : 0;

    if (!before->verdict || !is_limited(after)) {
        from_view_finish(before);
        *before = *after;
        *after = (struct from_view){.eye = before->eye};
    }
    from_view_finish(after);
    return wait;
}

bool from_watch(struct from *from, bool json)
{
    struct from_view befores[FROM_VIEWS_MAX] = {0};
    struct printer printer = printer_of(stdout);
    bool well = false;

    interrupt_watch(&interrupted);
    while (!interrupted) {
        nsec_t pause = from->request->pause;
        for (size_t i = 0; i < from->count && !interrupted; i++)
            from_take_view(from, &from->views[i]);
        if (interrupted)
            break; /* half a check tells nothing */
        if (json)
            print_views_line(from);
        else if (show(&printer, from, befores) && printer.terminal)
            fputc('\a', printer.out);
        well = true;
        for (size_t i = 0; i < from->count; i++) {
            nsec_t wait = keep(&befores[i], &from->views[i]);
            pause = wait > pause ? wait : pause;
            well = well && befores[i].well;
        }
        if (fflush(stdout) != 0)
            break; /* nobody reads any more */
        interrupt_pause(pause);
    }
    for (size_t i = 0; i < from->count; i++)
        from_view_finish(&befores[i]);
    return well;
}
