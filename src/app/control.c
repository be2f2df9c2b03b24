/* The control socket's server: one JSON object a line in, one out, for root and whoever started us.
 * What is asked for is done elsewhere. */
#include "app/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/control_bans.h"
#include "app/control_certificates.h"
#include "app/control_protect.h"
#include "app/diag_json.h"
#include "app/guardian_state.h"
#include "app/reload.h"
#include "base/error.h"
#include "base/mem.h"

#define STATUS_TIME (50 * NSEC_PER_MSEC) /* for workers to say what they do */

#define CLIENT_TIME (5 * NSEC_PER_SEC) /* to send a request, and to take its answer */
#define SILENT_TIME NSEC_PER_SEC       /* that a client may need when others have no place */

enum { REQUEST_MAX = 8192, ANSWER_MAX = 16 << 20, CONTROL_BACKLOG = 1024 };

/* ---- answers ---- */

static void client_free(struct control_client *client)
{
    struct guardian *g = client->guardian;

    loop_timer_cancel(g->loop, &client->status);
    loop_timer_cancel(g->loop, &client->deadline);
    loop_remove(g->loop, &client->watch);
    close(client->watch.fd);
    buffer_finish(&client->input);
    buffer_finish(&client->output);
    list_remove(&client->link);
    if (g->client_count-- == CONTROL_CLIENTS_MAX && g->control.fd >= 0)
        loop_pause(g->loop, &g->control, false);
    free(client);
}

static void on_client_deadline(struct loop_timer *timer, nsec_t now)
{
    (void)now;
    client_free(container_of(timer, struct control_client, deadline));
}

static void set_deadline(struct control_client *client)
{
    client->deadline.on_timeout = on_client_deadline;
    loop_timer_set(client->guardian->loop, &client->deadline, nsec_monotonic() + CLIENT_TIME);
}

/* Sends what the client takes now. @return whether it has all, or is gone */
static bool send_some(struct control_client *client)
{
    while (client->output.len) {
        ssize_t n = send(client->watch.fd, client->output.data, client->output.len,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno != EAGAIN;
        buffer_consume(&client->output, (size_t)n);
    }
    return true;
}

void control_answer(struct control_client *client, json_t *object)
{
    scoped(mem_release) char *text = json_dumps(object, JSON_COMPACT);

    json_decref(object);
    client->answered = true;
    client->reload_turn = 0;
    client->waits_for_upgrade = client->waits_for_stop = false;
    client->waits_for_bans = 0;
    int r = text ? buffer_printf(&client->output, "%s\n", text) : ERR_LIMIT;
    if (r < 0 || send_some(client)) {
        client_free(client);
        return;
    }
    set_deadline(client);
    loop_write_again(client->guardian->loop, &client->watch);
}

static json_t *result(bool fine, const struct diags *diags)
{
    return json_pack("{s:b, s:o}", "ok", (int)fine, "diags", diags_to_json(diags));
}

static json_t *failure(const char *sentence)
{
    struct diags diags = {0};

    diags_add(&diags, "%s", sentence);
    json_t *object = result(false, &diags);
    diags_finish(&diags);
    return object;
}

void control_fail(struct control_client *client, const char *sentence)
{
    control_answer(client, failure(sentence));
}

void control_reload_done(struct guardian *g, enum app_exit code, const struct diags *diags)
{
    list_for_each (client, spare, &g->clients, struct control_client, link) {
        if (client->answered || client->reload_turn == 0 || client->reload_turn > g->reload_turn)
            continue;
        json_t *object = result(code == APP_OK, diags);
        json_object_set_new(object, "exit", json_integer(code));
        json_object_set_new(object, "generation", json_integer((json_int_t)g->generation));
        control_answer(client, object);
    }
}

void control_upgrade_done(struct guardian *g, bool fine, const char *text)
{
    list_for_each (client, spare, &g->clients, struct control_client, link)
        if (client->waits_for_upgrade)
            control_answer(client,
                           fine ? json_pack("{s:b, s:i}", "ok", 1, "pid", (int)g->upgrade.pid)
                                : failure(text));
}

void control_stop_done(struct guardian *g)
{
    list_for_each (client, spare, &g->clients, struct control_client, link)
        if (client->waits_for_stop)
            control_answer(client, json_pack("{s:b}", "ok", 1));
}

/* ---- status ---- */

static const char *state_name(const struct worker_process *worker)
{
    return !worker->child.pid                  ? "restarting"
           : worker->state == WORKER_DRAINING  ? "draining"
           : worker->state == WORKER_CANDIDATE ? "starting"
                                               : "serving";
}

static json_t *worker_status(const struct worker_process *worker)
{
    const struct ipc_stats *stats = &worker->stats;

    return json_pack("{s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:I}", "number", (int)worker->number,
                     "pid", (int)worker->child.pid, "state", state_name(worker), "generation",
                     (json_int_t)worker->applied, "connections", (json_int_t)stats->connections,
                     "accepted", (json_int_t)stats->accepted, "refused", (json_int_t)stats->refused,
                     "requests", (json_int_t)stats->requests);
}

static json_t *listen_status(const struct endpoints *endpoints)
{
    json_t *list = json_array();

    for (size_t i = 0; i < endpoints->count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:i, s:b, s:b}", "address", endpoints->items[i].text, "port",
                            (int)socket_address_port(&endpoints->items[i].address), "secure",
                            (int)endpoints->items[i].secure, "http3",
                            (int)endpoints->items[i].datagrams));
    return list;
}

static json_t *status(struct guardian *g)
{
    json_t *workers = json_array();

    list_for_each (worker, spare, &g->workers.list, struct worker_process, link)
        json_array_append_new(workers, worker_status(worker));
    json_t *answer = json_pack(
        "{s:b, s:s, s:i, s:i, s:i, s:I, s:o, s:o}", "ok", 1, "version", GARDIEN_VERSION, "pid",
        (int)getpid(), "keys", (int)g->processes.items[PROCESS_KEYS].child.pid, "logs",
        (int)g->processes.items[PROCESS_LOGS].child.pid, "generation", (json_int_t)g->generation,
        "listen", listen_status(&g->live->endpoints), "workers", workers);
    json_object_set_new(answer, "certificates", control_certificates_summary(g));
    return answer;
}

static void on_status_time(struct loop_timer *timer, nsec_t now)
{
    struct control_client *client = container_of(timer, struct control_client, status);

    (void)now;
    control_answer(client, status(client->guardian));
}

/* Asks the workers, and answers with what they have said after a moment. */
static void do_status(struct guardian *g, struct control_client *client)
{
    supervise_tell(&g->workers, IPC_STATS, 0, SPAN(""));
    client->status.on_timeout = on_status_time;
    loop_timer_set(g->loop, &client->status, nsec_monotonic() + STATUS_TIME);
}

/* ---- requests ---- */

static void do_reload(struct guardian *g, struct control_client *client)
{
    if (g->upgrade.pid) {
        control_answer(client, failure("another program is taking over; reload when it has"));
        return;
    }
    /* First the turn: a reload that fails at once answers before reload_begin() returns. */
    client->reload_turn = g->reload_turn + 1;
    reload_begin(g);
}

static void do_upgrade(struct guardian *g, struct control_client *client, const char *program)
{
    const char *why;

    if (upgrade_begin(&g->upgrade, program, &why) < 0) {
        scoped(mem_release) char *text = mem_format("the new program cannot be started: %s", why);
        control_answer(client, failure(text));
        return;
    }
    client->waits_for_upgrade = true;
}

static void obey(struct guardian *g, struct control_client *client, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "do"));

    if (!verb) {
        control_answer(client, failure("the request has no \"do\""));
    } else if (control_bans_knows(verb)) {
        control_bans_ask(g, client, request);
    } else if (strcmp(verb, "protect") == 0) {
        control_answer(
            client, control_protect_status(g, json_is_true(json_object_get(request, "settings"))));
    } else if (control_certificates_knows(verb)) {
        control_certificates_ask(g, client, request);
    } else if (strcmp(verb, "reload") == 0) {
        do_reload(g, client);
    } else if (strcmp(verb, "status") == 0) {
        do_status(g, client);
    } else if (strcmp(verb, "upgrade") == 0) {
        do_upgrade(g, client, json_string_value(json_object_get(request, "program")));
    } else if (strcmp(verb, "stop") == 0) {
        client->waits_for_stop = true;
        guardian_stop(g, g->live->prepared.settings->stop_deadline);
    } else {
        control_answer(client, failure("the request is unknown to this version"));
    }
}

static void on_line(struct guardian *g, struct control_client *client)
{
    json_t *request = json_loadb(client->input.data, client->input.len,
                                 JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);

    buffer_consume(&client->input, client->input.len);
    if (request)
        obey(g, client, request);
    else
        control_answer(client, failure("the request is not a JSON object on one line"));
    json_decref(request);
}

/* @return false when the client is gone */
static bool read_some(struct control_client *client)
{
    char bytes[2048];
    ssize_t n;

    while ((n = recv(client->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        if (!client->asked && buffer_append(&client->input, bytes, (size_t)n) < 0)
            return false;
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void on_client_event(struct loop_watch *watch, unsigned events)
{
    struct control_client *client = container_of(watch, struct control_client, watch);

    (void)events;
    if (client->answered) {
        if (send_some(client))
            client_free(client);
        return;
    }
    bool open = read_some(client);
    if (!client->asked && span_find(buffer_span(&client->input), '\n') >= 0) {
        client->asked = true; /* what it waits for takes its own time */
        loop_timer_cancel(client->guardian->loop, &client->deadline);
        on_line(client->guardian, client);
    } else if (!open && !client->asked) {
        client_free(client);
    }
}

/* ---- the socket ---- */

static bool allowed(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* When all places are taken, the client that has said nothing for longest loses its own. */
static void make_place(struct guardian *g)
{
    nsec_t now = nsec_monotonic();

    list_for_each (client, spare, &g->clients, struct control_client, link)
        if (!client->asked && now - client->since > SILENT_TIME) {
            client_free(client);
            return;
        }
}

/* Clients beyond the bound wait in the backlog: most wait for the same reload. */
static void on_client(struct loop_watch *watch, unsigned events)
{
    struct guardian *g = container_of(watch, struct guardian, control);

    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (!allowed(fd)) {
        close(fd);
        return;
    }
    struct control_client *client = mem_new(struct control_client);
    client->guardian = g;
    client->since = nsec_monotonic();
    client->input = buffer_make(REQUEST_MAX);
    client->output = buffer_make(ANSWER_MAX);
    client->watch = (struct loop_watch){.fd = fd, .on_event = on_client_event};
    list_append(&g->clients, &client->link);
    g->client_count++;
    set_deadline(client);
    if (loop_add(g->loop, &client->watch, LOOP_EDGE) < 0)
        client_free(client);
    if (g->client_count == CONTROL_CLIENTS_MAX)
        make_place(g);
    if (g->client_count == CONTROL_CLIENTS_MAX)
        loop_pause(g->loop, &g->control, true);
}

int control_listen(struct guardian *g, struct diags *diags)
{
    struct sockaddr_un address;
    char name[32];

    snprintf(name, sizeof name, "control.%d", (int)getpid());
    address = control_address(g->state_fd, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    /* Renamed into place, so that no client finds a gap when we follow another program. */
    bool fine = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                listen(fd, CONTROL_BACKLOG) == 0 &&
                renameat(g->state_fd, name, g->state_fd, "control.sock") == 0;
    int error = errno;
    umask(mask);
    if (fine) {
        g->control = (struct loop_watch){.fd = fd, .on_event = on_client};
        return loop_add(g->loop, &g->control, LOOP_LEVEL);
    }
    diags_add(diags, "the control socket cannot be made: %s", error_text(-error));
    unlinkat(g->state_fd, name, 0);
    if (fd >= 0)
        close(fd);
    return -error;
}

void control_finish(struct guardian *g, bool remove)
{
    list_for_each (client, spare, &g->clients, struct control_client, link)
        client_free(client);
    if (g->control.fd < 0)
        return;
    if (remove)
        unlinkat(g->state_fd, "control.sock", 0);
    loop_remove(g->loop, &g->control);
    close(g->control.fd);
    g->control.fd = -1;
}
