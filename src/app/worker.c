/* The worker process: takes snapshots and orders from the guardian and runs the server on its event
 * loop. It leaves files, keys and log files to others by being unable to reach them.
 *
 * worker_process_run → first snapshot (waits for it) → confine → loop: on_guardian → snapshot,
 * ticket keys, drain, new sockets */
#include "app/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "app/channel.h"
#include "app/process_functions.h"
#include "app/settings.h"
#include "app/snapshot.h"
#include "app/worker_sites.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/loop.h"
#include "serve/serve.h"
#include "tls/tls.h"

struct worker {
    const struct process_start *start;
    struct loop *loop;
    struct loop_watch guardian;
    struct loop_timer deadline;
    struct server *server;
    struct access_log *access_log;
    enum access_format access_format;
    struct worker_materials materials;
    struct snapshot_inbox inbox;
    struct log log;
    struct channel channels[PROCESSES_LASTING];
    int exit_code;
};

/* ---- log lines ---- */

static void to_logs(void *context, struct span line)
{
    const struct worker *worker = context;
    char stream = IPC_LOG_ERROR;
    struct iovec parts[2] = {{&stream, 1}, {(char *)line.ptr, line.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    /* A line that finds no room is lost: a worker waits for no disk. */
    ssize_t sent =
        sendmsg(worker->channels[PROCESS_LOGS].fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

/* ---- snapshots ---- */

static void set_access_log(struct worker *worker, const struct settings *settings)
{
    bool off = settings->logs.access && span_equal(span_str(settings->logs.access), SPAN("off"));
    enum access_format format = (enum access_format)settings->logs.format;

    if (worker->access_log && !off && format == worker->access_format)
        return;
    server_set_access_log(worker->server, NULL);
    access_log_destroy(take(worker->access_log));
    if (off)
        return;
    worker->access_format = format;
    worker->access_log = access_log_create(format, worker->channels[PROCESS_LOGS].fd);
    server_set_access_log(worker->server, worker->access_log);
}

static void set_ticket_keys(struct worker *worker, const unsigned char (*keys)[TICKET_KEY_SIZE],
                            size_t count)
{
    if (count > 0)
        tls_library_set_tickets(worker->materials.tls, keys, count);
}

/* What is told later by IPC_OCSP changes single ones. */
static void set_ocsp(struct worker *worker, const struct snapshot *snapshot)
{
    tls_library_clear_ocsp(worker->materials.tls);
    for (size_t i = 0; i < snapshot->site_count; i++)
        for (size_t c = 0; c < snapshot->sites[i].certificate_count; c++) {
            const struct snapshot_certificate *one = &snapshot->sites[i].certificates[c];
            if (one->ocsp)
                tls_library_set_ocsp(worker->materials.tls, one->fingerprint,
                                     span_of(one->ocsp, one->ocsp_len), one->ocsp_until);
        }
}

static int take_listeners(struct worker *worker, struct snapshot *snapshot, struct sites *sites)
{
    struct server_listener *listeners = mem_zalloc(snapshot->listener_count * sizeof *listeners);

    for (size_t i = 0; i < snapshot->listener_count; i++) {
        struct snapshot_listener *from = &snapshot->listeners[i];
        listeners[i] = (struct server_listener){
            .id = from->id,
            .fd = from->fd,
            .secure = from->secure,
            .datagrams = from->datagrams,
            .index = from->index,
            .proxy_protocol = from->proxy_protocol,
            .port = from->port,
        };
        from->fd = -1;
    }
    int r = server_apply(worker->server, sites, listeners, snapshot->listener_count);
    free(listeners);
    return r;
}

/* Serves a snapshot, or keeps the old one, and tells the guardian which. @return 0, or -errno when
 * the guardian can't be told */
static int apply(struct worker *worker, struct snapshot *snapshot)
{
    char why[256] = "";
    struct sites *sites;
    struct tls_context *tls;

    const struct settings *settings = snapshot->settings; /* the sites take them over */
    set_ticket_keys(worker, snapshot->ticket_keys, snapshot->ticket_key_count);
    int r = worker_sites_create(snapshot, &worker->materials, &sites, &tls, why);
    if (r >= 0) {
        set_access_log(worker, settings);
        set_ocsp(worker, snapshot);
        server_set_tls(worker->server, tls);
        server_set_quic_secret(worker->server, snapshot->quic_secret);
        r = take_listeners(worker, snapshot, sites);
        if (r < 0)
            snprintf(why, sizeof why, "an address can't be watched: %s", error_text(r));
    }
    enum ipc_kind kind = r < 0 ? IPC_FAILED : IPC_APPLIED;
    return ipc_say(worker->start->guardian, kind, snapshot->generation, span_str(why));
}

/* ---- orders ---- */

static void leave(struct worker *worker, int exit_code)
{
    worker->exit_code = exit_code;
    loop_stop(worker->loop);
}

static void on_drained(void *context)
{
    struct worker *worker = context;

    if (worker->access_log)
        access_log_flush(worker->access_log);
    int r = ipc_say(worker->start->guardian, IPC_DRAINED, 0, span_str(""));
    leave(worker, r < 0 ? 1 : 0);
}

static void on_drain_deadline(struct loop_timer *timer, nsec_t now)
{
    (void)now;
    on_drained(container_of(timer, struct worker, deadline));
}

static void drain(struct worker *worker, nsec_t time)
{
    loop_timer_set(worker->loop, &worker->deadline, loop_now(worker->loop) + time);
    server_drain(worker->server, on_drained, worker);
}

static int tell_stats(struct worker *worker)
{
    struct server_counts counts;

    server_counts(worker->server, &counts);
    struct ipc_stats stats = {
        .connections = counts.connections,
        .accepted = counts.accepted,
        .refused = counts.refused,
        .requests = counts.requests,
    };
    return ipc_say(worker->start->guardian, IPC_STATS, 0,
                   span_of((const char *)&stats, sizeof stats));
}

static int take_snapshot_part(struct worker *worker, struct ipc_message *message)
{
    struct snapshot *snapshot = NULL;

    int r = snapshot_receive(&worker->inbox, message, &snapshot);
    if (r == 1)
        r = apply(worker, snapshot);
    else if (r == ERR_PROTOCOL || r == ERR_SETTINGS)
        r = ipc_say(worker->start->guardian, IPC_FAILED, message->value,
                    span_str("the snapshot arrived damaged"));
    snapshot_destroy(snapshot);
    return r;
}

static int take_ocsp(struct worker *worker, const struct ipc_message *message)
{
    struct buffer response = buffer_make(TLS_OCSP_MAX);

    if (message->text_len != TLS_FINGERPRINT_SIZE)
        return ERR_PROTOCOL;
    int r = message->fd_count ? ipc_memory_read(message->fds[0], &response) : 0;
    if (r >= 0)
        tls_library_set_ocsp(worker->materials.tls, (const unsigned char *)message->text,
                             buffer_span(&response), (nsec_t)message->value);
    buffer_finish(&response);
    return r;
}

static int take_token(struct worker *worker, const struct ipc_message *message)
{
    struct span token, text = span_of(message->text, message->text_len);

    if (!span_next(&text, '\n', &token) || token.len == 0)
        return ERR_PROTOCOL;
    return server_set_challenge(worker->server, token, text);
}

static int obey(struct worker *worker, struct ipc_message *message)
{
    switch (message->kind) {
    case IPC_SNAPSHOT:
        return take_snapshot_part(worker, message);
    case IPC_TICKET_KEYS:
        if (message->text_len % TICKET_KEY_SIZE != 0)
            return ERR_PROTOCOL;
        set_ticket_keys(worker, (const void *)message->text, message->text_len / TICKET_KEY_SIZE);
        return 0;
    case IPC_DRAIN:
        drain(worker, (nsec_t)message->value);
        return 0;
    case IPC_CHANNEL:
        return channels_take(worker->channels, message);
    case IPC_OCSP:
        return take_ocsp(worker, message);
    case IPC_ACME_TOKEN:
        return take_token(worker, message);
    case IPC_STATS:
        return tell_stats(worker);
    case IPC_PING:
        return ipc_say(worker->start->guardian, IPC_PONG, 0, SPAN(""));
    default:
        return ERR_PROTOCOL;
    }
}

static void on_guardian(struct loop_watch *watch, unsigned events)
{
    struct worker *worker = container_of(watch, struct worker, guardian);
    struct ipc_message message;

    (void)events;
    int r = ipc_receive(watch->fd, &message);
    if (r == -EAGAIN || r == -EINTR)
        return;
    if (r == 0) { /* no guardian, no service: whoever takes over starts its own workers */
        leave(worker, 0);
        return;
    }
    if (r > 0) {
        r = obey(worker, &message);
        explicit_bzero(message.text, sizeof message.text); /* ticket keys, maybe */
        ipc_finish(&message);
    }
    if (r < 0) {
        log_event(&worker->log, LOG_ERROR, "an order of the guardian failed, leaving",
                  "reason=\"%s\"", error_text(r));
        leave(worker, 1);
    }
}

/* ---- channels ---- */

static void on_keys_connected(void *context, int fd)
{
    struct worker *worker = context;

    keys_remote_set_socket(worker->materials.keys, fd);
}

static void on_logs_connected(void *context, int fd)
{
    struct worker *worker = context;

    if (worker->access_log)
        access_log_set_fd(worker->access_log, fd);
}

static int use_channels(struct worker *worker)
{
    static const struct channel_user keys = {.on_connected = on_keys_connected};
    static const struct channel_user logs = {.on_connected = on_logs_connected};

    int r = channel_use(&worker->channels[PROCESS_KEYS], worker->loop, &keys, worker);
    return r < 0 ? r : channel_use(&worker->channels[PROCESS_LOGS], worker->loop, &logs, worker);
}

/* ---- upstream connections ---- */

static int ask_connector(void *context, uint64_t number, uint64_t address)
{
    struct worker *worker = context;
    struct ipc_message message = {
        .kind = IPC_ASK, .value = number, .text_len = sizeof address, .fd_count = 0};

    memcpy(message.text, &address, sizeof address);
    return channel_send(&worker->channels[PROCESS_CONNECTOR], &message);
}

static void on_connector_message(void *context, struct ipc_message *message)
{
    struct worker *worker = context;
    uint64_t error = ECONNREFUSED;
    int fd = -1;

    if (message->kind != IPC_ANSWER)
        return;
    if (message->fd_count == 1) {
        fd = message->fds[0];
        message->fds[0] = -1;
    } else if (span_to_uint(span_of(message->text, message->text_len), &error) < 0) {
        error = EIO;
    }
    if (message->value & MALWARE_NUMBER)
        server_scan_connected(worker->server, message->value, fd, -(int)error);
    else
        proxy_connected(worker->materials.proxy, message->value, fd, -(int)error);
}

static void on_connector_connected(void *context, int fd)
{
    struct worker *worker = context;

    (void)fd;
    proxy_connector_replaced(worker->materials.proxy);
}

static int set_up_proxy(struct worker *worker)
{
    static const struct channel_user user = {.on_message = on_connector_message,
                                             .on_connected = on_connector_connected};
    struct proxy_options options = {
        .loop = worker->loop, .log = &worker->log, .connect = ask_connector, .context = worker};

    memcpy(options.secret, worker->materials.secret, sizeof options.secret);
    worker->materials.proxy = proxy_create(&options);
    return channel_use(&worker->channels[PROCESS_CONNECTOR], worker->loop, &user, worker);
}

/* ---- start ---- */

/* Waits for the first snapshot, which names what the sandbox must leave open. */
static int first_snapshot(struct worker *worker, struct snapshot **ret_snapshot)
{
    struct ipc_message message;
    int r = 0;

    while (r == 0) {
        r = ipc_receive(worker->start->guardian, &message);
        if (r == 0)
            return ERR_CLOSED;
        if (r == -EINTR || r == -EAGAIN) {
            struct pollfd wait = {.fd = worker->start->guardian, .events = POLLIN};
            r = poll(&wait, 1, -1) < 0 && errno != EINTR ? -errno : 0;
            if (r == 0)
                continue;
        }
        if (r < 0)
            return r;
        r = message.kind == IPC_SNAPSHOT ? snapshot_receive(&worker->inbox, &message, ret_snapshot)
                                         : ERR_PROTOCOL;
        ipc_finish(&message);
    }
    return r;
}

static int confine(struct worker *worker, const struct snapshot *snapshot)
{
    tzset(); /* the zone's file is out of reach afterwards */
    int r = process_confine(worker->start, snapshot->folders, snapshot->folder_count);
    if (r == SANDBOX_NO_LANDLOCK)
        log_event(&worker->log, LOG_WARNING,
                  "no Landlock in this kernel or container: a worker that is taken over could read "
                  "what its user can",
                  "%s", "");
    return r;
}

static void report_ban(void *context, const struct ban_report *report)
{
    const struct worker *worker = context;
    int fd = worker->channels[PROCESS_BANS].fd;

    int r = fd < 0 ? 0 : ipc_offer(fd, IPC_ASK, 0, span_of((const char *)report, sizeof *report));
    (void)r; /* nobody waits for it; whoever deserves it goes on, and is reported again */
}

static int set_up(struct worker *worker)
{
    const struct worker_start *start = worker->start->question;
    struct server_options options = {
        .worker = start->number,
        .shared = start->shared,
        .log = &worker->log,
        .on_connect = ask_connector,
        .on_report = report_ban,
        .context = worker,
    };

    if (getrandom(worker->materials.secret, sizeof worker->materials.secret, 0) < 0 ||
        getrandom(options.secret, sizeof options.secret, 0) < 0)
        return -errno;
    int r = loop_create(&worker->loop);
    if (r < 0)
        return r;
    options.loop = worker->loop;
    r = protect_shared_read_bans(start->shared);
    if (r < 0)
        return r;
    map_init(&worker->materials.contexts, worker->materials.secret);
    r = tls_library_create(&worker->materials.tls);
    if (r >= 0)
        tls_library_set_clock(worker->materials.tls, nsec_realtime);
    if (r >= 0)
        r = keys_remote_create(worker->channels[PROCESS_KEYS].fd, &worker->materials.keys);
    if (r >= 0)
        r = use_channels(worker);
    if (r >= 0)
        r = set_up_proxy(worker);
    options.proxy = worker->materials.proxy;
    options.library = worker->materials.tls;
    return r < 0 ? r : server_create(&options, &worker->server);
}

static int begin(struct worker *worker)
{
    struct snapshot *snapshot = NULL;

    int r = first_snapshot(worker, &snapshot);
    if (r >= 0)
        r = set_up(worker);
    if (r >= 0)
        r = confine(worker, snapshot);
    if (r >= 0)
        r = ipc_say(worker->start->guardian, IPC_READY, 0, span_str(""));
    if (r >= 0)
        r = apply(worker, snapshot);
    snapshot_destroy(snapshot);
    if (r < 0)
        return r;
    worker->guardian = (struct loop_watch){.fd = worker->start->guardian, .on_event = on_guardian};
    return loop_add(worker->loop, &worker->guardian, LOOP_LEVEL);
}

int worker_process_run(const struct process_start *start)
{
    struct worker worker = {
        .start = start,
        .deadline.on_timeout = on_drain_deadline,
    };

    worker.log =
        (struct log){.level = LOG_NOTICE, .process = "worker", .sink = to_logs, .context = &worker};
    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        channel_init(&worker.channels[i], start->others[i]);
    int r = begin(&worker);
    if (r >= 0)
        r = loop_run(worker.loop);
    if (r < 0) {
        log_event(&worker.log, LOG_ERROR, "worker ends", "reason=\"%s\"", error_text(r));
        worker.exit_code = 1;
    }
    server_destroy(worker.server);
    proxy_destroy(worker.materials.proxy);
    access_log_destroy(worker.access_log);
    worker_sites_forget(&worker.materials);
    keys_remote_destroy(worker.materials.keys);
    tls_library_destroy(worker.materials.tls);
    snapshot_inbox_finish(&worker.inbox);
    for (size_t i = 0; i < PROCESSES_LASTING; i++)
        channel_finish(&worker.channels[i]);
    loop_destroy(worker.loop);
    return worker.exit_code;
}
