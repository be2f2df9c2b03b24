/* `gardien check --watch`: the first check in full, then a line for each finding that changed. */
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "cli/check_parts.h"
#include "cli/cli.h"
#include "os/interrupt.h"
#include "report/printer.h"

static volatile sig_atomic_t interrupted;

/* Time passes for these without anything having changed. */
static bool is_measure(const struct finding *finding)
{
    return strcmp(finding->topic, "speed") == 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has(const struct findings *findings, const struct finding *wanted)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        if (finding->grade == wanted->grade && same_text(finding->topic, wanted->topic) &&
            same_text(finding->subject, wanted->subject) &&
            same_text(finding->sentence, wanted->sentence))
            return true;
    }
    return false;
}

void check_watch_time(char out[32])
{
    time_t now = time(NULL);
    struct tm parts;

    if (!localtime_r(&now, &parts) || strftime(out, 32, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        out[0] = '\0';
}

static void print_change(const struct printer *printer, const struct finding *finding,
                         const char *time)
{
    fprintf(printer->out, "%s  ", time);
    finding_print(printer, finding);
}

size_t check_watch_changes(const struct printer *printer, const struct findings *before,
                           const struct findings *after, const char *time)
{
    size_t changes = 0;
    bool gone = false; /* a complaint that is no longer made */

    for (size_t i = 0; i < after->count; i++) {
        const struct finding *finding = &after->items[i];
        if (is_measure(finding) || has(before, finding))
            continue;
        print_change(printer, finding, time);
        changes++;
    }
    for (size_t i = 0; i < before->count; i++)
        gone =
            gone || (before->items[i].grade >= FINDING_WARNING && !has(after, &before->items[i]));
    return changes + gone;
}

static bool print_changes(const struct printer *printer, const struct check_result *before,
                          const struct check_result *after)
{
    char time[32];

    check_watch_time(time);
    if (check_watch_changes(printer, &before->findings, &after->findings, time) == 0)
        return false;
    print_escaped(printer->out, "%s  %s\n", time, after->verdict);
    return true;
}

static void print_result_line(const struct check_request *request,
                              const struct check_result *result)
{
    json_t *json = check_json(&request->options, result);
    char time[32];

    check_watch_time(time);
    json_object_set_new(json, "time", json_string(time));
    print_json_line(json);
}

int check_watch(struct check_request *request, bool json)
{
    struct printer printer = printer_of(stdout);
    struct check_result before = {.open = false}, after;
    bool first = true, well = false;

    interrupt_watch(&interrupted);
    while (!interrupted) {
        if (check_run_once(request, &after, &well) < 0)
            return APP_FAILED;
        bool changed = true;
        if (json)
            print_result_line(request, &after);
        else if (first)
            check_print(&printer, &after, well);
        else
            changed = print_changes(&printer, &before, &after);
        if (changed && !first && printer.terminal && !json)
            fputc('\a', printer.out);
        check_result_finish(&before);
        before = after;
        first = false;
        if (fflush(stdout) != 0)
            break; /* nobody reads any more */
        interrupt_pause(request->pause);
    }
    check_result_finish(&before);
    return well ? APP_OK : APP_FAILED;
}
