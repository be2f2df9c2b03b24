/* The process of bans: hears of offences from workers and of orders from the guardian, and alone
 * may write the table of bans and the kernel's. Decisions are ban_decisions.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/ban_decisions.h"
#include "app/ipc.h"
#include "app/process_functions.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/loop.h"

enum { SETTINGS_ROOM = 64 << 20, FILES = 2 };

#define TURN NSEC_PER_SEC
#define SOON (50 * NSEC_PER_MSEC) /* what comes meanwhile goes to the kernel in one transaction */

struct bans_process {
    const struct process_start *start;
    struct loop *loop;
    struct loop_timer turn;
    struct ban_decisions decisions;
    bool soon;
};

bool bans_wanted(const struct settings *settings)
{
    return settings->protect.bans.mode != 0;
}

int bans_open_files(const struct settings *settings, int state_fd, struct diags *diags,
                    int *ret_fds)
{
    static const char *const names[FILES] = {"bans.0", "bans.1"};

    (void)settings, (void)diags;
    for (size_t i = 0; i < FILES; i++)
        ret_fds[i] = openat(state_fd, names[i], O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return FILES;
}

static void on_turn(struct loop_timer *timer, nsec_t now)
{
    struct bans_process *process = container_of(timer, struct bans_process, turn);

    process->soon = false;
    ban_decisions_turn(&process->decisions);
    loop_timer_set(process->loop, timer, now + TURN);
}

static void turn_soon(struct bans_process *process)
{
    if (process->soon)
        return;
    process->soon = true;
    loop_timer_set(process->loop, &process->turn, nsec_monotonic() + SOON);
}

/* ---- orders ---- */

static int take_settings(struct bans_process *process, struct ipc_message *message)
{
    struct buffer text = buffer_make(SETTINGS_ROOM);
    struct settings *settings = NULL;
    int files[FILES] = {-1, -1};
    size_t at = 1;

    if (message->fd_count == 0)
        return ERR_PROTOCOL;
    int r = ipc_memory_read(message->fds[0], &text);
    if (r >= 0)
        r = settings_parse(buffer_span(&text), &settings);
    buffer_finish(&text);
    if (r < 0)
        return r;
    for (size_t i = 0; i < FILES; i++)
        if (message->value >> i & 1 && at < message->fd_count) {
            files[i] = message->fds[at];
            message->fds[at++] = -1;
        }
    ban_decisions_set(&process->decisions, settings, files);
    turn_soon(process);
    return 0;
}

static int answer(struct bans_process *process, const struct ipc_message *message)
{
    json_t *request = json_loadb(message->text, message->text_len, 0, NULL);
    json_t *object = ban_decisions_ask(&process->decisions, request);
    scoped(mem_release) char *text = json_dumps(object, JSON_COMPACT);

    json_decref(request);
    json_decref(object);
    int fd = ipc_memory(span_str(text ? text : "{}"));
    int r = fd < 0 ? fd : ipc_pass(process->start->guardian, IPC_BANS_ANSWER, message->value, fd);
    if (fd >= 0)
        close(fd);
    return r;
}

static int on_order(void *context, struct ipc_message *message)
{
    if (message->kind == IPC_SETTINGS)
        return take_settings(context, message);
    return message->kind == IPC_BANS ? answer(context, message) : 0;
}

/* ---- workers ---- */

static bool on_client(void *context, int socket)
{
    struct bans_process *process = context;
    struct ipc_message message;
    struct ban_report report;

    int r = ipc_receive(socket, &message);
    if (r == -EAGAIN || r == -EINTR)
        return true;
    if (r <= 0)
        return false;
    bool fine = message.kind == IPC_ASK && message.text_len == sizeof report;
    if (fine) {
        memcpy(&report, message.text, sizeof report);
        ban_decisions_report(&process->decisions, &report);
        turn_soon(process);
    }
    ipc_finish(&message);
    return fine;
}

/* ---- life ---- */

static int begin(void *context, struct process_server *server)
{
    struct bans_process *process = context;

    process->loop = process_server_loop(server);
    process->turn.on_timeout = on_turn;
    loop_timer_set(process->loop, &process->turn, nsec_monotonic() + TURN);
    return 0;
}

static void end(void *context)
{
    struct bans_process *process = context;

    loop_timer_cancel(process->loop, &process->turn);
    ban_decisions_finish(&process->decisions);
}

int bans_process_run(const struct process_start *start)
{
    static const struct process_service service = {
        .begin = begin, .on_order = on_order, .on_client = on_client, .end = end};
    struct bans_process process = {.start = start};

    ban_decisions_init(&process.decisions, start);
    return process_serve(start, &service, &process);
}
