/* The parent: holds the listening sockets, counts sources, and starts a process a connection:
 *
 *   on_listener -> admission_enter -> fork
 *   on_message  <- the process asks for a check: admission_probe
 *   on_message  <- the process is gone: admission_leave */
#include "eye/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "eye/admission.h"
#include "eye/internal.h"
#include "os/loop.h"
#include "os/process.h"

#define CONNECTION_LIFE (75 * NSEC_PER_SEC) /* of a process, whatever it does */

struct eye;

struct client {
    struct loop_watch watch; /* its end of the socket pair; fd -1 when the place is free */
    struct loop_timer life;
    struct eye *eye;
    struct admission_source *source;
    pid_t pid;
    bool probed;
};

struct listener {
    struct loop_watch watch;
    struct eye *eye;
};

struct eye {
    const struct eye_options *options;
    struct loop *loop;
    struct loop_watch signals;
    struct admission admission;
    struct listener listeners[EYE_LISTEN_MAX];
    struct client clients[ADMISSION_ACTIVE_MAX];
    struct tls_library *library;
    struct tls_context *tls;
    unsigned char certificate[CERT_FINGERPRINT_SIZE];
};

/* ---- a connection's process ---- */

static void end_client(struct client *client)
{
    struct eye *eye = client->eye;

    loop_remove(eye->loop, &client->watch);
    loop_timer_cancel(eye->loop, &client->life);
    close(client->watch.fd);
    client->watch.fd = -1;
    kill(client->pid, SIGKILL); /* it ends by itself, or is late; waiting for it must not be long */
    while (waitpid(client->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    admission_leave(&eye->admission, client->source, client->probed);
}

static void on_late(struct loop_timer *timer, nsec_t now)
{
    struct client *client = container_of(timer, struct client, life);

    (void)now;
    log_event(client->eye->options->log, LOG_WARNING, "ended a check that took too long", "pid=%d",
              (int)client->pid);
    end_client(client);
}

static void on_message(struct loop_watch *watch, unsigned events)
{
    struct client *client = container_of(watch, struct client, watch);
    struct admission *admission = &client->eye->admission;
    char question = 0;

    (void)events;
    ssize_t got = recv(watch->fd, &question, 1, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got != 1 || question != EYE_ASK_ADMISSION || client->probed) {
        end_client(client);
        return;
    }
    unsigned wait = admission_probe(admission, client->source, nsec_monotonic());
    const unsigned char said = (unsigned char)wait;
    client->probed = wait == 0;
    if (send(watch->fd, &said, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        end_client(client);
}

static int start_client(struct eye *eye, struct client *client, int fd)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    const int keep[] = {fd, pair[1]};
    pid_t pid = process_fork("gardien-eye", keep, ARRAY_SIZE(keep));
    if (pid == 0) {
        struct eye_connection connection = {
            .options = eye->options, .tls = eye->tls, .fd = 3, .admission = 4};
        memcpy(connection.certificate, eye->certificate, sizeof connection.certificate);
        eye_connection_run(&connection);
        _exit(0);
    }
    close(pair[1]);
    int r = pid < 0 ? (int)pid : 0;
    client->watch = (struct loop_watch){.fd = pair[0], .on_event = on_message};
    if (r == 0)
        r = loop_add(eye->loop, &client->watch, LOOP_LEVEL);
    if (r < 0) {
        close(pair[0]);
        client->watch.fd = -1;
        if (pid > 0 && kill(pid, SIGKILL) == 0)
            (void)waitpid(pid, NULL, 0);
        return r;
    }
    client->pid = pid;
    client->probed = false;
    client->life.on_timeout = on_late;
    loop_timer_set(eye->loop, &client->life, nsec_monotonic() + CONNECTION_LIFE);
    return 0;
}

static struct client *free_place(struct eye *eye)
{
    for (size_t i = 0; i < ARRAY_SIZE(eye->clients); i++)
        if (eye->clients[i].watch.fd < 0)
            return &eye->clients[i];
    return NULL;
}

static void on_listener(struct loop_watch *watch, unsigned events)
{
    struct listener *listener = container_of(watch, struct listener, watch);
    struct eye *eye = listener->eye;
    struct socket_address from = {.len = sizeof from.storage};
    int fd = accept4(watch->fd, (struct sockaddr *)&from.storage, &from.len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd < 0)
        return; /* it went again, or descriptors lack: then the loop comes back */
    admission_normalise(&from);
    struct client *client = free_place(eye);
    struct admission_source *source =
        client ? admission_enter(&eye->admission, &from, nsec_monotonic()) : NULL;
    if (source) {
        client->eye = eye;
        client->source = source;
        int r = start_client(eye, client, fd);
        if (r < 0) {
            admission_leave(&eye->admission, source, false);
            log_event(eye->options->log, LOG_ERROR, "no process for a connection", "reason=\"%s\"",
                      error_text(r));
        }
    }
    close(fd);
}

/* ---- start and end ---- */

static void on_signal(struct loop_watch *watch, unsigned events)
{
    struct eye *eye = container_of(watch, struct eye, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof info) == sizeof info)
        loop_stop(eye->loop);
}

static int watch_signals(struct eye *eye)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    eye->signals = (struct loop_watch){.fd = fd, .on_event = on_signal};
    return loop_add(eye->loop, &eye->signals, LOOP_LEVEL);
}

static int make_tls(struct eye *eye)
{
    const struct tls_settings settings = {.profile = TLS_PROFILE_MODERN};
    struct tls_certificate certificate;
    scoped(mem_release) char *pem = NULL;

    int r = eye_certificate_make(nsec_realtime(), &certificate.key, &pem);
    if (r < 0)
        return r;
    certificate.chain_pem = span_str(pem);
    r = eye_certificate_fingerprint(certificate.chain_pem, eye->certificate);
    if (r == 0)
        r = tls_library_create(&eye->library);
    if (r == 0)
        r = tls_context_create(&settings, eye->library, &certificate, 1, &eye->tls);
    tls_certificate_finish(&certificate);
    return r;
}

static int listen_all(struct eye *eye, struct diags *diags)
{
    for (size_t i = 0; i < eye->options->listen_count; i++) {
        const struct socket_address *address = &eye->options->listen[i];
        struct listener *listener = &eye->listeners[i];
        int r = socket_probe(address); /* sockets that share their port would hide one another */
        int fd = r < 0 ? r : socket_listen(address);
        if (fd < 0) {
            diag_hint(diags_add(diags, "cannot listen on port %u: %s", socket_address_port(address),
                                error_text(fd)),
                      "choose another port: gardien eye --listen :4435");
            return fd;
        }
        *listener = (struct listener){{.fd = fd, .on_event = on_listener}, eye};
        r = loop_add(eye->loop, &listener->watch, LOOP_LEVEL);
        if (r < 0)
            return r;
    }
    return 0;
}

static int begin(struct eye *eye, struct diags *diags)
{
    int r = loop_create(&eye->loop);

    if (r == 0)
        r = watch_signals(eye);
    if (r == 0)
        r = make_tls(eye);
    if (r == 0)
        r = listen_all(eye, diags);
    if (r < 0 && diags->count == 0)
        diag_hint(diags_add(diags, "the eye could not start: %s", error_text(r)),
                  "see whether this machine has memory and descriptors left");
    return r;
}

static void end(struct eye *eye)
{
    for (size_t i = 0; i < ARRAY_SIZE(eye->clients); i++)
        if (eye->clients[i].watch.fd >= 0)
            end_client(&eye->clients[i]);
    for (size_t i = 0; i < ARRAY_SIZE(eye->listeners); i++)
        if (eye->listeners[i].watch.fd >= 0) {
            loop_remove(eye->loop, &eye->listeners[i].watch);
            close(eye->listeners[i].watch.fd);
        }
    if (eye->signals.fd >= 0) {
        loop_remove(eye->loop, &eye->signals);
        close(eye->signals.fd);
    }
    tls_context_destroy(eye->tls);
    tls_library_destroy(eye->library);
    loop_destroy(eye->loop);
    free(eye);
}

int eye_serve(const struct eye_options *options, struct diags *diags)
{
    struct eye *eye = mem_new(struct eye);

    eye->options = options;
    eye->signals.fd = -1;
    eye->admission.probes_a_minute = options->probes_a_minute;
    for (size_t i = 0; i < ARRAY_SIZE(eye->clients); i++)
        eye->clients[i].watch.fd = -1;
    for (size_t i = 0; i < ARRAY_SIZE(eye->listeners); i++)
        eye->listeners[i].watch.fd = -1;
    int r = begin(eye, diags);
    if (r == 0) {
        options->on_ready(options->context);
        r = loop_run(eye->loop);
    }
    end(eye);
    return r;
}
