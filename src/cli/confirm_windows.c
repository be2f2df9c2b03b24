/* The process that waits, and the two events by which it is told: the token is taken once, by
 * whoever decides; then the other says that it was confirmed. Both vanish with the last who holds
 * them. There is no fork() here: the process is this program once more, with the way back as its
 * input. */
#include <conio.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/confirm.h"
#include "cli/confirm_windows.h"
#include "os/administrators_windows.h"

#define TOKEN L"Global\\gardien-confirm"
#define CONFIRMED L"Global\\gardien-confirmed"
#define VARIABLE "GARDIEN_CONFIRM"

enum { INPUT_MAX = 1024 * 1024, PATH_MOST = 32768 };

struct events {
    HANDLE token, confirmed;
};

static void close_events(struct events *events)
{
    if (events->token)
        CloseHandle(events->token);
    if (events->confirmed)
        CloseHandle(events->confirmed);
}

/* ---- the process that waits ---- */

static char *read_input(void)
{
    struct buffer input = buffer_make(INPUT_MAX);
    char bytes[4096];
    size_t n;
    int r = 0;

    while (r >= 0 && (n = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        r = buffer_append(&input, bytes, n);
    char *text = r >= 0 ? mem_string(buffer_span(&input)) : NULL;
    buffer_finish(&input);
    return text;
}

static int undo(const json_t *list)
{
    struct diags diags = {0};
    struct plan plan;
    int r = policy_plan_parse(list, &plan);

    if (r >= 0) {
        int lock = opening_lock(NULL, NULL); /* without it, undoing is still better than not */
        r = plan_undo(&plan, NULL, &diags);
        if (lock >= 0)
            opening_unlock(lock);
    }
    plan_finish(&plan);
    diags_finish(&diags);
    return r < 0 ? APP_FAILED : APP_OK;
}

bool confirm_is_waiting(int *ret_code)
{
    const char *said = getenv(VARIABLE);
    unsigned long long token, confirmed, wait;

    if (!said || sscanf(said, "%llu %llu %llu", &token, &confirmed, &wait) != 3)
        return false;
    scoped(mem_release) char *text = read_input();
    json_t *list = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    *ret_code = APP_OK;
    if (WaitForSingleObject((HANDLE)(uintptr_t)confirmed, (DWORD)wait) == WAIT_TIMEOUT &&
        WaitForSingleObject((HANDLE)(uintptr_t)token, 0) == WAIT_OBJECT_0)
        *ret_code = undo(list);
    json_decref(list);
    return true;
}

/* ---- starting it ---- */

static bool make_events(struct events *ret_events)
{
    SECURITY_ATTRIBUTES attributes;

    *ret_events = (struct events){NULL, NULL};
    if (administrators_only(&attributes)) {
        attributes.bInheritHandle = TRUE;
        ret_events->token = CreateEventW(&attributes, FALSE, TRUE, TOKEN);
        ret_events->confirmed = CreateEventW(&attributes, TRUE, FALSE, CONFIRMED);
    }
    administrators_finish(&attributes);
    return ret_events->token && ret_events->confirmed;
}

/* It inherits these handles and no other, so that nobody waits for the end of our output. */
static bool spawn(HANDLE inherited[3], PROCESS_INFORMATION *ret_process)
{
    STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup,
                                              .dwFlags = STARTF_USESTDHANDLES,
                                              .hStdInput = inherited[0]}};
    DWORD flags = EXTENDED_STARTUPINFO_PRESENT | DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
    wchar_t *path = mem_resize(NULL, PATH_MOST, sizeof *path);
    wchar_t line[] = L"gardien open";
    SIZE_T size = 0;
    BOOL started = FALSE;

    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    startup.lpAttributeList = mem_alloc(size);
    DWORD length = GetModuleFileNameW(NULL, path, PATH_MOST);
    if (length > 0 && length < PATH_MOST &&
        InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size)) {
        if (UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                      inherited, 3 * sizeof *inherited, NULL, NULL)) {
            /* A session over the network ends all that is in its job, where it lets nobody leave.
             */
            started =
                CreateProcessW(path, line, NULL, NULL, TRUE, flags | CREATE_BREAKAWAY_FROM_JOB,
                               NULL, NULL, &startup.StartupInfo, ret_process) ||
                CreateProcessW(path, line, NULL, NULL, TRUE, flags, NULL, NULL,
                               &startup.StartupInfo, ret_process);
        }
        DeleteProcThreadAttributeList(startup.lpAttributeList);
    }
    free(startup.lpAttributeList);
    free(path);
    return started;
}

static bool send_input(HANDLE pipe, const struct plan *plan)
{
    json_t *list = policy_plan_json(plan);
    scoped(mem_release) char *text = json_dumps(list, JSON_COMPACT);
    DWORD written = 0;

    json_decref(list);
    return text && WriteFile(pipe, text, (DWORD)strlen(text), &written, NULL) &&
           written == strlen(text);
}

static bool start(const struct events *events, const struct plan *plan, nsec_t wait)
{
    SECURITY_ATTRIBUTES inheritable = {.nLength = sizeof inheritable, .bInheritHandle = TRUE};
    scoped(mem_release) char *said =
        mem_format("%llu %llu %llu", (unsigned long long)(uintptr_t)events->token,
                   (unsigned long long)(uintptr_t)events->confirmed,
                   (unsigned long long)(wait / NSEC_PER_MSEC));
    PROCESS_INFORMATION process;
    HANDLE in, out;

    if (!CreatePipe(&in, &out, &inheritable, 0))
        return false;
    SetHandleInformation(out, HANDLE_FLAG_INHERIT, 0);
    SetEnvironmentVariableA(VARIABLE, said);
    bool started = spawn((HANDLE[]){in, events->token, events->confirmed}, &process);
    SetEnvironmentVariableA(VARIABLE, NULL);
    CloseHandle(in);
    bool told = started && send_input(out, plan);
    CloseHandle(out);
    if (started) {
        if (!told)
            TerminateProcess(process.hProcess, 1);
        CloseHandle(process.hThread);
        CloseHandle(process.hProcess);
    }
    return told;
}

int confirm_start(const char *state, const struct plan *plan, nsec_t wait,
                  struct confirm *ret_confirm)
{
    struct events *events = mem_zalloc(sizeof *events);

    (void)state;
    if (make_events(events) && start(events, plan, wait)) {
        *ret_confirm = (struct confirm){.held = events, .wait = wait};
        return 0;
    }
    print_error("try again, or leave --confirm out", "the waiting process cannot be started");
    close_events(events);
    free(events);
    return -EAGAIN;
}

/* ---- this side ---- */

static void say_waiting(void)
{
    fputs("gardien: another gardien changes the firewall now; waiting for it\n", stderr);
}

int confirm_lock(const char *state)
{
    return opening_lock(state, say_waiting);
}

static void open_events(struct events *ret_events)
{
    const DWORD access = SYNCHRONIZE | EVENT_MODIFY_STATE;

    *ret_events =
        (struct events){OpenEventW(access, FALSE, TOKEN), OpenEventW(access, FALSE, CONFIRMED)};
}

static bool decide(const struct events *events)
{
    return events->token && events->confirmed &&
           WaitForSingleObject(events->token, 0) == WAIT_OBJECT_0 && SetEvent(events->confirmed);
}

bool confirm_waits(const char *state)
{
    struct events events;

    (void)state;
    open_events(&events);
    bool waits = events.token && WaitForSingleObject(events.token, 0) == WAIT_OBJECT_0;
    if (waits)
        SetEvent(events.token); /* it is still to be decided */
    close_events(&events);
    return waits;
}

bool confirm_keep(struct confirm *confirm)
{
    return decide(confirm->held);
}

bool confirm_ask(const struct confirm *confirm)
{
    nsec_t deadline = nsec_monotonic() + confirm->wait;
    char line[32] = "";

    printf("It is taken back in %lld seconds. Type \"yes\" to keep it: ",
           (long long)(confirm->wait / NSEC_PER_SEC));
    fflush(stdout);
    while (nsec_monotonic() < deadline) {
        if (!_kbhit()) {
            Sleep(100);
            continue;
        }
        if (!fgets(line, sizeof line, stdin))
            return false;
        if (strcmp(line, "yes\n") == 0)
            return true;
        printf("Type \"yes\" to keep it: ");
        fflush(stdout);
    }
    putchar('\n');
    return false;
}

void confirm_finish(struct confirm *confirm)
{
    if (confirm->held)
        close_events(confirm->held);
    free(confirm->held);
    *confirm = (struct confirm){0};
}

int confirm_from_elsewhere(const char *state)
{
    struct events events;

    (void)state;
    open_events(&events);
    bool kept = decide(&events);
    close_events(&events);
    if (kept) {
        puts("confirmed: what was opened stays open");
        return APP_OK;
    }
    print_error("`gardien open --confirm 60s` opens anew; the time may have been over",
                "nothing waits to be confirmed");
    return APP_FAILED;
}
