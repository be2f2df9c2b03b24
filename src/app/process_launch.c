/* From the guardian to a process that runs its function. */
#include "app/process_launch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/ipc.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/process.h"
#include "report/finding.h"

/* ---- in the process ---- */

void process_note(const struct process_start *start, enum log_level level, const char *format, ...)
{
    char text[IPC_TEXT_MAX];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0)
        return;
    size_t fits = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    /* A guardian that does not listen is about to end, or has more to read than it can. */
    int r = ipc_offer(start->guardian, IPC_NOTE, level, span_of(text, fits));
    (void)r;
}

void process_note_findings(const struct process_start *start, const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        process_note(start, finding->grade >= FINDING_WARNING ? LOG_WARNING : LOG_NOTICE,
                     "%s%s%s%s%s", finding->subject ? finding->subject : "",
                     finding->subject ? ": " : "", finding->sentence, finding->hint ? "; " : "",
                     finding->hint ? finding->hint : "");
    }
}

int process_confine(const struct process_start *start, const int *folders, size_t count)
{
    const struct sandbox_place place = {start->user, folders, count};
    const char *step = "";

    int r = sandbox_enter(process_rows[start->id].role, &place, &step);
    if (r < 0)
        process_note(start, LOG_ERROR, "the %s process cannot %s: %s", process_rows[start->id].name,
                     step, error_text(r));
    return r;
}

static _Noreturn void run(const struct process_host *host, const struct process_launch *launch)
{
    const struct process_row *row = &process_rows[launch->id];
    int others[PROCESSES_LASTING], number = 4;
    const struct process_start start = {.id = launch->id,
                                        .guardian = 3,
                                        .others = others,
                                        .user = host->user,
                                        .state = host->state,
                                        .shared = host->shared,
                                        .question = launch->question};

    if (host->secrets_len)
        explicit_bzero(host->secrets, host->secrets_len);
    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        others[i] = launch->others[i] >= 0 ? number++ : -1;
    if (!row->confines_itself && process_confine(&start, NULL, 0) < 0)
        _exit(PROCESS_UNCONFINED);
    _exit(row->run(&start));
}

/* ---- in the guardian ---- */

struct process_launch process_launch_of(enum process_id id, int guardian, const void *question)
{
    struct process_launch launch = {.id = id, .guardian = guardian, .question = question};

    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        launch.others[i] = -1;
    return launch;
}

pid_t process_launch(const struct process_host *host, const struct process_launch *launch)
{
    scoped(mem_release) char *name = mem_format("gardien %s", process_rows[launch->id].name);
    int keep[1 + PROCESSES_LASTING] = {launch->guardian};
    size_t count = 1;

    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        if (launch->others[i] >= 0)
            keep[count++] = launch->others[i];
    pid_t pid = process_fork(launch->title ? launch->title : name, keep, count);
    if (pid == 0)
        run(host, launch);
    return pid;
}
