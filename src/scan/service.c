/* Asking open ports what they are. A TLS hello is sent at once: a TLS server answers it, one that
 * speaks first (SSH, SMTP) is heard, and a plain HTTP server says what it makes of the hello. Who
 * hangs up on it is asked once more, in plain HTTP.
 *
 *   ask -> on_event: connected -> say_hello -> receive -> read_tls | read_plain -> finish_question
 */
#include "scan/service.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/mem.h"
#include "os/dial.h"
#include "os/loop.h"
#include "scan/service_tls.h"

enum {
    IN_FLIGHT_MAX = 128,
    HEARD_MAX = 64 * 1024, /* bytes kept of what a server says before it makes sense */
    BANNER_MAX = 200,      /* bytes of a line that are kept */
};

static const nsec_t PATIENCE = 3 * NSEC_PER_SEC;
static const nsec_t POLL = 10 * NSEC_PER_MSEC;

struct asking;

struct question {
    struct list link; /* in `in_flight`, the oldest first */
    struct loop_watch watch;
    struct asking *asking;
    struct scan_service *service;
    struct tls_client *tls; /* NULL: plain */
    struct buffer heard;
    nsec_t begun;
    bool connected;
    bool met_tls; /* it has begun to answer in TLS */
    bool plain;   /* asked in plain HTTP, or has answered in no TLS */
};

struct asking {
    struct scan_services *services;
    const struct scan_address *hosts;
    const char *const *names;
    const volatile sig_atomic_t *stop;
    struct tls_client_library *library; /* NULL: this program speaks no TLS */
    struct loop *loop;
    struct loop_timer timer;
    struct list in_flight;
    unsigned in_flight_count;
    size_t next;
    struct scan_tls_room *room;
};

void scan_services_add(struct scan_services *services, size_t host, uint16_t port)
{
    if ((services->count & (services->count + 1)) == 0) /* room doubles */
        services->items =
            mem_resize(services->items, 2 * services->count + 2, sizeof *services->items);
    services->items[services->count++] = (struct scan_service){.host = host, .port = port};
}

void scan_services_finish(struct scan_services *services)
{
    for (size_t i = 0; i < services->count; i++) {
        struct scan_service *service = &services->items[i];
        free(service->version);
        free(service->alpn);
        free(service->names);
        free(service->issuer);
        free(service->banner);
    }
    free(services->items);
    *services = (struct scan_services){NULL};
}

/* ---- what was heard ---- */

static struct span first_line(struct span text)
{
    size_t len = 0;

    while (len < text.len && len < BANNER_MAX && text.ptr[len] != '\r' && text.ptr[len] != '\n')
        len++;
    return span_of(text.ptr, len);
}

/* The value of the Server field of an HTTP answer's head, as far as it was heard. */
static struct span server_field(struct span text)
{
    struct span line;

    while (span_next(&text, '\n', &line) && line.len > 1) {
        static const struct span name = {"server:", 7};
        if (line.len > name.len && span_equal_nocase(span_of(line.ptr, name.len), name))
            return span_trim(first_line(span_from(line, name.len)));
    }
    return (struct span){"", 0};
}

static void note_banner(struct scan_service *service, struct span heard)
{
    struct span line = first_line(heard);
    struct span server = span_starts(line, SPAN("HTTP/")) ? server_field(heard) : SPAN("");

    if (line.len == 0)
        return;
    free(service->banner);
    service->banner = server.len ? mem_format("%.*s, %.*s", SPAN_ARGS(line), SPAN_ARGS(server))
                                 : mem_string(line);
}

/* ---- the end of a question ---- */

static void drop_question(struct question *question)
{
    loop_forget(question->asking->loop, &question->watch);
    dial_close(question->watch.fd);
    scan_tls_destroy(question->tls);
    buffer_finish(&question->heard);
    list_remove(&question->link);
    question->asking->in_flight_count--;
    free(question);
}

/* A TLS server's first record is a handshake or an alert (RFC 8446 section 5.1). */
static bool sounds_like_tls(const struct question *question)
{
    return question->heard.len && (question->heard.data[0] == 22 || question->heard.data[0] == 21);
}

static void ask(struct asking *asking, struct scan_service *service, bool plain);

/* The server has said all that it will. */
static void finish_question(struct question *question)
{
    struct asking *asking = question->asking;
    struct scan_service *service = question->service;
    bool again = question->connected && !question->met_tls && !question->plain;

    if (question->plain && sounds_like_tls(question))
        service->tls = true; /* an alert, to plain HTTP */
    else if (!question->met_tls)
        note_banner(service, buffer_span(&question->heard));
    drop_question(question);
    if (again)
        ask(asking, service, true);
}

/* ---- talking ---- */

/* @return false when the connection is of no more use */
static bool send_all(const struct question *question, struct span bytes)
{
    return bytes.len == 0 ||
           dial_send(question->watch.fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len;
}

/* Goes on with the handshake over what was heard.
 * @return false when the question is over */
static bool go_on_with_tls(struct question *question)
{
    struct asking *asking = question->asking;
    struct span out;
    int r = scan_tls_go_on(question->tls, &question->heard, asking->room, &out);

    if (r == 1)
        scan_tls_describe(question->tls, question->service);
    return send_all(question, out) && r == 0;
}

static bool say_hello(struct question *question)
{
    if (question->plain)
        return send_all(question, SPAN("HEAD / HTTP/1.0\r\nUser-Agent: gardien\r\n\r\n"));
    return go_on_with_tls(question);
}

/* Has a server that speaks no TLS said what is worth a line? */
static bool has_said_enough(const struct question *question)
{
    struct span heard = buffer_span(&question->heard);

    if (heard.len > HEARD_MAX / 2)
        return true;
    if (span_starts(heard, SPAN("HTTP/")))
        return span_find_span(heard, SPAN("\r\n\r\n")) >= 0;
    return span_find(heard, '\n') >= 0;
}

/* @return false when the question is over */
static bool receive(struct question *question)
{
    char *room = question->asking->room->in;

    for (;;) {
        ssize_t got = dial_receive(question->watch.fd, room, sizeof question->asking->room->in);
        if (got == -EAGAIN || got == -EINTR)
            return true;
        if (got <= 0 || buffer_append(&question->heard, room, (size_t)got) < 0)
            return false;
        if (!question->plain && !question->met_tls) {
            question->met_tls = sounds_like_tls(question);
            question->plain = !question->met_tls;
        }
        if (question->plain ? has_said_enough(question) : !go_on_with_tls(question))
            return false;
    }
}

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct question *question = container_of(watch, struct question, watch);
    struct dial_failure failure;
    bool goes_on = true;

    if (!question->connected) {
        int r = dial_result(watch->fd, &failure);
        if (r == -EINPROGRESS)
            return;
        question->connected = r == 0;
        goes_on = r == 0 && say_hello(question);
    }
    if (goes_on)
        goes_on = receive(question);
    if (!goes_on)
        finish_question(question);
}

/* ---- asking ---- */

static void ask(struct asking *asking, struct scan_service *service, bool plain)
{
    struct socket_address to = {0};
    struct question *question = mem_new(struct question);

    plain = plain || !asking->library;
    to.len = scan_address_to(&asking->hosts[service->host], service->port, &to.storage);
    *question = (struct question){
        .watch = {.fd = dial_tcp(&to, 0), .on_event = on_event},
        .asking = asking,
        .service = service,
        .heard = buffer_make(HEARD_MAX),
        .begun = nsec_monotonic(),
        .plain = plain,
    };
    if (question->watch.fd < 0 ||
        (!plain &&
         scan_tls_create(asking->library, asking->names[service->host], &question->tls) < 0) ||
        loop_add(asking->loop, &question->watch, LOOP_EDGE) < 0) {
        if (question->watch.fd >= 0)
            dial_close(question->watch.fd);
        scan_tls_destroy(question->tls);
        free(question);
        return; /* the port stays open; what serves there stays unsaid */
    }
    list_append(&asking->in_flight, &question->link);
    asking->in_flight_count++;
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct asking *asking = container_of(timer, struct asking, timer);
    bool stopped = asking->stop && *asking->stop;

    while (!list_empty(&asking->in_flight)) {
        struct question *oldest = list_first(&asking->in_flight, struct question, link);
        if (now - oldest->begun < PATIENCE && !stopped)
            break;
        oldest->plain = true; /* one silence is enough */
        finish_question(oldest);
    }
    while (asking->next < asking->services->count && asking->in_flight_count < IN_FLIGHT_MAX &&
           !stopped)
        ask(asking, &asking->services->items[asking->next++], false);
    if (stopped || (list_empty(&asking->in_flight) && asking->next == asking->services->count))
        loop_stop(asking->loop);
    else
        loop_timer_set(asking->loop, timer, now + POLL);
}

int scan_services_ask(struct scan_services *services, const struct scan_address *hosts,
                      const char *const *names, const volatile sig_atomic_t *stop)
{
    scoped(mem_release) struct asking *asking = mem_new(struct asking);

    if (services->count == 0)
        return 0;
    *asking = (struct asking){.services = services,
                              .hosts = hosts,
                              .names = names,
                              .stop = stop,
                              .timer = {.on_timeout = on_timeout}};
    list_init(&asking->in_flight);
    int r = scan_tls_library_create(&asking->library);
    if (r < 0)
        return r;
    asking->room = mem_new(struct scan_tls_room);
    r = loop_create(&asking->loop);
    if (r >= 0) {
        loop_timer_set(asking->loop, &asking->timer, nsec_monotonic());
        r = loop_run(asking->loop);
        loop_destroy(asking->loop);
    }
    free(asking->room);
    scan_tls_library_destroy(asking->library);
    return r;
}
