/* One conversation, step by step; the eye proves itself first, so that a stranger hears nothing but
 * a random number. */
#include "eye/asker.h"

#include <errno.h>
#include <poll.h>

#include "base/mem.h"
#include "eye/admission.h"
#include "eye/stream.h"
#include "os/dial.h"

#define CONNECT_PATIENCE (6 * NSEC_PER_SEC)
#define REPLY_PATIENCE (9 * NSEC_PER_SEC)

static int connect_to(const struct socket_address *eye, int *ret_fd)
{
    struct dial_failure failure;
    nsec_t deadline = nsec_monotonic() + CONNECT_PATIENCE;
    int fd = dial_tcp(eye, 0);

    if (fd < 0)
        return fd;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        nsec_t left = deadline - nsec_monotonic();
        int n = left > 0 ? poll(&wait, 1, (int)(left / NSEC_PER_MSEC) + 1) : 0;
        int r = n > 0 ? dial_result(fd, &failure) : left > 0 ? -EINPROGRESS : ERR_TIMEOUT;
        if (r == 0) {
            *ret_fd = fd;
            return 0;
        }
        if (r != -EINPROGRESS) {
            dial_close(fd);
            return r;
        }
    }
}

static void take_local(int fd, struct socket_address *local)
{
    *local = (struct socket_address){.len = sizeof local->storage};
    if (getsockname(fd, (struct sockaddr *)&local->storage, &local->len) < 0)
        local->len = 0;
    admission_normalise(local);
    address_set_port(local, 0);
}

/* Only TLS 1.3: there the certificate is proved to be the peer's, whatever else it offers. */
static int take_certificate(const struct tls_client *client, struct eye_binding *binding)
{
    struct tls_client_facts facts;

    tls_client_describe(client, &facts);
    int r = strcmp(facts.version, "TLSv1.3") == 0
                ? eye_certificate_fingerprint(buffer_span(&facts.chain), binding->certificate)
                : ERR_TLS;
    tls_client_facts_finish(&facts);
    return r;
}

static int greet(struct eye_stream *stream, const struct eye_ask *ask, struct eye_binding *binding)
{
    struct buffer out = buffer_make(EYE_LINE_MAX), line = buffer_make(0);
    struct eye_greeting hello = {{0}, {0}}, greeting;

    dial_random(hello.nonce, sizeof hello.nonce);
    eye_hello_write(&hello, &out);
    int r = eye_stream_write(stream, buffer_span(&out));
    if (r == 0)
        r = eye_stream_read_line(stream, EYE_LINE_MAX, &line);
    if (r == 0)
        r = eye_greeting_read(buffer_span(&line), &greeting);
    buffer_finish(&out);
    buffer_finish(&line);
    if (r < 0)
        return r;
    memcpy(binding->asker, hello.nonce, EYE_NONCE);
    memcpy(binding->eye, greeting.nonce, EYE_NONCE);
    return eye_proof_holds(ask->key, binding, EYE_SIDE_EYE, greeting.proof) ? 0 : ERR_NOT_FOUND;
}

static int request(struct eye_stream *stream, const struct eye_ask *ask,
                   const struct eye_binding *binding, struct eye_outcome *outcome)
{
    struct buffer out = buffer_make(EYE_LINE_MAX), line = buffer_make(0);
    struct eye_request request = {.port = ask->port, .seconds = ask->seconds};

    eye_prove(ask->key, binding, EYE_SIDE_ASKER, request.proof);
    if (ask->name)
        snprintf(request.name, sizeof request.name, "%s", ask->name);
    eye_request_write(&request, &out);
    int r = eye_stream_write(stream, buffer_span(&out));
    outcome->stage = EYE_PROBING;
    stream->deadline = nsec_monotonic() + REPLY_PATIENCE + ask->seconds * NSEC_PER_SEC;
    if (r == 0)
        r = eye_stream_read_line(stream, EYE_ANSWER_MAX, &line);
    if (r == 0)
        r = eye_answer_read(buffer_span(&line), &outcome->answer);
    buffer_finish(&out);
    buffer_finish(&line);
    return r;
}

static int converse(struct eye_stream *stream, const struct eye_ask *ask,
                    struct eye_outcome *outcome)
{
    struct eye_binding binding;

    stream->deadline = nsec_monotonic() + REPLY_PATIENCE;
    outcome->stage = EYE_HANDSHAKE;
    int r = eye_stream_handshake(stream);
    if (r == 0)
        r = take_certificate(stream->client, &binding);
    if (r < 0)
        return r;
    outcome->stage = EYE_GREETING;
    r = greet(stream, ask, &binding);
    if (r < 0)
        return r;
    outcome->stage = EYE_PROVING;
    return request(stream, ask, &binding, outcome);
}

int eye_ask(const struct eye_ask *ask, struct eye_outcome *ret_outcome)
{
    const struct tls_client_options options = {.alpn = TLS_CLIENT_HTTP_1};
    struct tls_client *client = NULL;
    struct eye_stream stream;
    int fd = -1;

    *ret_outcome = (struct eye_outcome){.stage = EYE_CONNECTING};
    int r = connect_to(&ask->eye, &fd);
    if (r < 0)
        return r;
    take_local(fd, &ret_outcome->local);
    r = tls_client_create(ask->tls, &options, &client);
    if (r == 0) {
        eye_stream_init(&stream, fd, NULL, client);
        r = converse(&stream, ask, ret_outcome);
        eye_stream_finish(&stream);
    }
    dial_close(fd);
    return r;
}
