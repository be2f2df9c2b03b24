/* The process of one connection: drops its rights, lets the asker prove that it knows the key, asks
 * the parent whether it is time for a check, checks, answers, ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "eye/admission.h"
#include "eye/internal.h"
#include "os/dial.h"
#include "os/route.h"
#include "os/sandbox.h"

#define REQUEST_PATIENCE (8 * NSEC_PER_SEC) /* for all that the asker says */
#define ANSWER_PATIENCE (8 * NSEC_PER_SEC)

/* ---- rights ---- */

static int confine_files(void)
{
    static const char *const needed[] = {"/etc/ssl", "/etc/pki", "/usr/share/ca-certificates",
                                         "/usr/local/share/ca-certificates", "/usr/lib/ssl"};
    int fds[ARRAY_SIZE(needed)];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        fds[count] = open(needed[i], O_PATH | O_CLOEXEC);
        count += fds[count] >= 0;
    }
    int r = sandbox_landlock_client(fds, count);
    while (count > 0)
        close(fds[--count]);
    return r == -ENOSYS || r == -EOPNOTSUPP ? 0 : r; /* the kernel has no Landlock */
}

static int confine(const char *user)
{
    int r = sandbox_switch_user(user);

    if (r >= 0)
        r = sandbox_hide_memory();
    if (r >= 0)
        r = sandbox_no_new_privs();
    if (r >= 0)
        r = confine_files();
    if (r >= 0 && setrlimit(RLIMIT_CPU, &(struct rlimit){60, 60}) < 0)
        r = -errno;
    return r < 0 ? r : sandbox_seccomp(SANDBOX_CLIENT);
}

/* ---- addresses ---- */

/* Who asks, and so what is checked. */
struct source {
    struct socket_address address;
    bool own; /* of this machine */
};

/* Is it an address of this machine? A tunnel or a proxy on it would turn the eye on the machine
 * itself, from whichever of its addresses. Asks the kernel's routes, so before confine(). */
static bool is_own(const struct socket_address *source, const struct socket_address *here)
{
    struct route route;
    char a[ADDRESS_TEXT], b[ADDRESS_TEXT];

    if (strcmp(address_ip_text(here, a), address_ip_text(source, b)) == 0)
        return true;
    return route_look((const struct sockaddr *)&source->storage, &route) == 0 && route.local;
}

static int take_source(int fd, struct source *ret_source)
{
    struct socket_address here = {.len = sizeof here.storage};
    struct socket_address there = {.len = sizeof there.storage};

    if (getpeername(fd, (struct sockaddr *)&there.storage, &there.len) < 0 ||
        getsockname(fd, (struct sockaddr *)&here.storage, &here.len) < 0)
        return -errno;
    admission_normalise(&there);
    admission_normalise(&here);
    address_set_port(&there, 0);
    *ret_source = (struct source){.address = there, .own = is_own(&there, &here)};
    return 0;
}

/* ---- the conversation ---- */

static int hear_hello(struct eye_stream *stream, const struct eye_connection *connection,
                      struct eye_binding *binding)
{
    struct buffer line = buffer_make(0), out = buffer_make(EYE_LINE_MAX);
    struct eye_greeting hello, greeting;

    int r = eye_stream_read_line(stream, EYE_LINE_MAX, &line);
    if (r == 0)
        r = eye_hello_read(buffer_span(&line), &hello);
    buffer_finish(&line);
    if (r < 0)
        return r;
    memcpy(binding->certificate, connection->certificate, sizeof binding->certificate);
    memcpy(binding->asker, hello.nonce, EYE_NONCE);
    dial_random(binding->eye, EYE_NONCE);
    memcpy(greeting.nonce, binding->eye, EYE_NONCE);
    eye_prove(connection->options->key, binding, EYE_SIDE_EYE, greeting.proof);
    eye_greeting_write(&greeting, &out);
    r = eye_stream_write(stream, buffer_span(&out));
    buffer_finish(&out);
    return r;
}

/* @return an enum eye_error, or what broke the connection */
static int hear_request(struct eye_stream *stream, const struct eye_connection *connection,
                        const struct eye_binding *binding, struct eye_request *ret_request)
{
    struct buffer line = buffer_make(0);

    int r = eye_stream_read_line(stream, EYE_LINE_MAX, &line);
    bool clear = r == 0 && eye_request_read(buffer_span(&line), ret_request) == 0;
    buffer_finish(&line);
    if (r < 0)
        return r;
    if (!clear)
        return EYE_UNCLEAR;
    return eye_proof_holds(connection->options->key, binding, EYE_SIDE_ASKER, ret_request->proof)
               ? EYE_NO_ERROR
               : EYE_WRONG_KEY;
}

/* @return 0 to go on, or seconds to wait */
static unsigned ask_admission(int admission)
{
    const char question = EYE_ASK_ADMISSION;
    unsigned char wait;

    if (write(admission, &question, 1) != 1 || read(admission, &wait, 1) != 1)
        return 60; /* the parent is about to end */
    return wait;
}

static void log_probe(const struct eye_connection *connection, const struct eye_answer *answer,
                      const struct eye_request *request, nsec_t took)
{
    char name[EYE_NAME_MAX * 4 + 8];

    log_event(connection->options->log, answer->error ? LOG_WARNING : LOG_NOTICE,
              answer->error ? "refused" : "probed",
              "source=%s port=%u name=%s reason=%s wait=%u milliseconds=%lld", answer->source,
              request->port, log_quoted(name, sizeof name, span_str(request->name)),
              answer->error ? eye_error_word(answer->error) : "-", answer->wait,
              (long long)(took / NSEC_PER_MSEC));
}

static int answer(struct eye_stream *stream, const struct eye_connection *connection,
                  const struct eye_request *request, struct eye_answer *answer,
                  const struct socket_address *source)
{
    const struct eye_target wanted = {*source, request->name, request->port, request->seconds};
    struct buffer out = buffer_make(EYE_ANSWER_MAX);
    nsec_t begun = nsec_monotonic();
    json_t *result = NULL;

    if (!answer->error && (answer->wait = ask_admission(connection->admission)) > 0)
        answer->error = EYE_LIMITED;
    if (!answer->error && !(result = connection->options->probe(&wanted)))
        answer->error = EYE_FAILED;
    int r = eye_answer_write(answer, result, &out);
    if (r < 0) { /* a server that answers with more than can be told */
        buffer_finish(&out);
        out = buffer_make(EYE_ANSWER_MAX);
        answer->error = EYE_FAILED;
        r = eye_answer_write(answer, NULL, &out);
    }
    log_probe(connection, answer, request, nsec_monotonic() - begun);
    stream->deadline = nsec_monotonic() + ANSWER_PATIENCE;
    if (r == 0)
        r = eye_stream_write(stream, buffer_span(&out));
    buffer_finish(&out);
    return r;
}

static int converse(struct eye_stream *stream, const struct eye_connection *connection,
                    const struct source *source)
{
    struct eye_answer reply = {.error = EYE_NO_ERROR};
    struct eye_request request = {.port = 0};
    struct eye_binding binding;
    char text[ADDRESS_TEXT];

    snprintf(reply.source, sizeof reply.source, "%s", address_ip_text(&source->address, text));
    int r = eye_stream_handshake(stream);
    if (r == 0)
        r = hear_hello(stream, connection, &binding);
    if (r == 0)
        r = hear_request(stream, connection, &binding, &request);
    if (r < 0) {
        log_event(connection->options->log, LOG_NOTICE, "gone before it asked",
                  "source=%s reason=\"%s\"", reply.source, error_text(r));
        return r;
    }
    reply.error = r > 0 ? (enum eye_error)r : source->own ? EYE_ITSELF : EYE_NO_ERROR;
    r = answer(stream, connection, &request, &reply, &source->address);
    eye_stream_close(stream);
    return r;
}

void eye_connection_run(const struct eye_connection *connection)
{
    struct tls_session *session = NULL;
    struct eye_stream stream;
    struct source source;

    if (take_source(connection->fd, &source) < 0)
        return; /* it is gone already */
    int r = confine(connection->options->user);
    if (r < 0) {
        log_event(connection->options->log, LOG_ERROR, "no sandbox, so no check", "reason=\"%s\"",
                  error_text(r));
        return;
    }
    if (tls_session_create(connection->tls, &session) < 0)
        return;
    eye_stream_init(&stream, connection->fd, session, NULL);
    stream.deadline = nsec_monotonic() + REQUEST_PATIENCE;
    r = converse(&stream, connection, &source);
    (void)r; /* was logged */
    eye_stream_finish(&stream);
}
