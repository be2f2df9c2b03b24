/* A question on its way: one socket at a time, so that an answer can only be to this question.
 *
 *   try_server -> on_event -> take_answer -> conclude
 *        ^           |  silence, refusal: the next server, at most ROUNDS times around
 *        `-----------' */
#include "probe/resolver.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "os/loop.h"

enum { ROUNDS = 2 };
#define PATIENCE (1500 * NSEC_PER_MSEC) /* for one server */
#define PAUSE (10 * NSEC_PER_MSEC)      /* before the next, after one that cannot be asked */

struct dns_query_run {
    struct dns_ask ask;
    struct loop_watch watch; /* fd < 0: no socket */
    struct loop_timer timer;
    struct dns_query *query;
    char *name;
    uint16_t id;
    bool tcp;
    bool plain; /* without EDNS */
    bool connected;
    unsigned attempt;
    nsec_t started;
    unsigned char question[2 + DNS_QUESTION_MAX]; /* in front: the length, for TCP */
    size_t question_len;
    struct buffer input;
};

/* ---- the way of a question ---- */

static void try_server(struct dns_query_run *run);

static void close_socket(struct dns_query_run *run)
{
    if (run->watch.fd >= 0) {
        loop_remove(run->ask.loop, &run->watch);
        dial_close(run->watch.fd);
    }
    run->watch.fd = -1;
    buffer_finish(&run->input);
}

static void conclude(struct dns_query_run *run, int error)
{
    struct dns_query *query = run->query;

    close_socket(run);
    loop_timer_cancel(run->ask.loop, &run->timer);
    query->error = error;
    query->took = nsec_monotonic() - run->started;
    query->done = true;
    run->ask.on_done(query, run->ask.context);
}

/* Goes to the next server, or gives up with the reason that the last one gave. */
static void next_server(struct dns_query_run *run, int error)
{
    close_socket(run);
    if (error && !run->query->silent_error) {
        run->query->silent = run->query->server;
        run->query->silent_error = error;
    }
    run->tcp = false;
    run->attempt++;
    run->query->error = error;
    if (run->attempt >= ROUNDS * run->ask.resolver->count || nsec_monotonic() >= run->ask.deadline)
        conclude(run, error);
    else
        try_server(run);
}

/* @return whether the bytes were an answer to this question */
static bool take_answer(struct dns_query_run *run, struct span bytes)
{
    struct dns_answer *answer = &run->query->answer;
    int r = dns_read_answer(bytes, run->name, run->ask.type, answer);

    if (r < 0 || answer->id != run->id) {
        if (r == 0)
            dns_answer_finish(answer);
        return false;
    }
    if (answer->truncated && !run->tcp) {
        dns_answer_finish(answer);
        close_socket(run);
        run->tcp = true;
        try_server(run);
    } else if (answer->code == DNS_FORMERR && !run->plain) {
        dns_answer_finish(answer);
        close_socket(run);
        run->plain = true;
        try_server(run);
    } else if ((answer->code == DNS_REFUSED || answer->code == DNS_SERVFAIL) &&
               run->attempt + 1 < run->ask.resolver->count) {
        dns_answer_finish(answer);
        next_server(run, 0); /* maybe another server knows */
    } else {
        conclude(run, 0);
    }
    return true;
}

static void read_udp(struct dns_query_run *run)
{
    char bytes[4096];

    for (int i = 0; i < 32; i++) { /* strangers' datagrams are passed over */
        ssize_t len = dial_receive(run->watch.fd, bytes, sizeof bytes);
        if (len == -EAGAIN)
            return;
        if (len < 0) { /* ICMP "port unreachable" is a reset in Windows' words */
            next_server(run, len == -ECONNRESET ? -ECONNREFUSED : (int)len);
            return;
        }
        if (take_answer(run, span_of(bytes, (size_t)len)))
            return;
    }
    next_server(run, ERR_PROTOCOL);
}

static void read_tcp(struct dns_query_run *run)
{
    char bytes[4096];
    ssize_t len;

    while ((len = dial_receive(run->watch.fd, bytes, sizeof bytes)) > 0)
        if (buffer_append(&run->input, bytes, (size_t)len) < 0)
            break;
    const unsigned char *head = (const unsigned char *)run->input.data;
    size_t wanted = run->input.len >= 2 ? 2 + ((size_t)head[0] << 8 | head[1]) : SIZE_MAX;
    if (run->input.len >= wanted) {
        struct buffer input = run->input; /* take_answer() may close the socket */
        run->input = buffer_make(DNS_MESSAGE_MAX + 2);
        bool taken = take_answer(run, span_of(input.data + 2, wanted - 2));
        buffer_finish(&input);
        if (!taken)
            next_server(run, ERR_PROTOCOL);
    } else if (len == -EAGAIN) {
        return;
    } else {
        next_server(run, len < 0 ? (int)len : ERR_PROTOCOL);
    }
}

static void send_question(struct dns_query_run *run)
{
    const unsigned char *from = run->tcp ? run->question : run->question + 2;
    size_t len = run->tcp ? run->question_len + 2 : run->question_len;

    ssize_t sent = dial_send(run->watch.fd, from, len);
    if (sent == (ssize_t)len)
        return;
    run->query->error = sent < 0 ? (int)sent : ERR_PROTOCOL;
    close_socket(run);
    loop_timer_set(run->ask.loop, &run->timer, nsec_monotonic() + PAUSE);
}

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct dns_query_run *run = container_of(watch, struct dns_query_run, watch);
    struct dial_failure failure;

    if (run->tcp && !run->connected) {
        int r = dial_result(watch->fd, &failure);
        if (r == -EINPROGRESS)
            return;
        if (r < 0) {
            next_server(run, r);
            return;
        }
        run->connected = true;
        send_question(run);
    } else if (run->tcp) {
        read_tcp(run);
    } else if (events & (LOOP_READABLE | LOOP_HANGUP)) {
        read_udp(run);
    }
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct dns_query_run *run = container_of(timer, struct dns_query_run, timer);

    (void)now;
    next_server(run, run->watch.fd < 0 ? run->query->error : ERR_TIMEOUT);
}

static int write_question(struct dns_query_run *run)
{
    dial_random(&run->id, sizeof run->id);
    int len = dns_write_query(run->name, run->ask.type, run->id, !run->plain, run->question + 2);
    if (len < 0)
        return len;
    run->question[0] = (unsigned char)(len >> 8);
    run->question[1] = (unsigned char)len;
    run->question_len = (size_t)len;
    return 0;
}

static void try_server(struct dns_query_run *run)
{
    nsec_t now = nsec_monotonic();
    nsec_t until = now + PATIENCE < run->ask.deadline ? now + PATIENCE : run->ask.deadline;

    run->query->server = run->ask.resolver->servers[run->attempt % run->ask.resolver->count];
    run->connected = false;
    run->input = buffer_make(DNS_MESSAGE_MAX + 2);
    int r = write_question(run);
    int fd = r < 0      ? r
             : run->tcp ? dial_tcp(&run->query->server, 0)
                        : dial_udp(&run->query->server);
    if (fd >= 0) {
        run->watch = (struct loop_watch){.fd = fd, .on_event = on_event};
        r = loop_add(run->ask.loop, &run->watch, LOOP_EDGE);
        if (r < 0) {
            dial_close(fd);
            run->watch.fd = -1;
        }
    } else {
        r = fd;
    }
    run->query->error = r;
    if (r < 0) /* after a pause, and never within the call of who asks */
        until = now + PAUSE;
    loop_timer_set(run->ask.loop, &run->timer, until);
    if (r >= 0 && !run->tcp)
        send_question(run);
}

int dns_query_start(struct dns_query *query, const struct dns_ask *ask)
{
    unsigned char scratch[DNS_QUESTION_MAX];
    int r = dns_write_query(ask->name, ask->type, 0, true, scratch);

    if (r < 0)
        return r;
    struct dns_query_run *run = mem_new(struct dns_query_run);
    *query = (struct dns_query){.run = run};
    run->ask = *ask;
    run->query = query;
    run->watch.fd = -1;
    run->timer.on_timeout = on_timeout;
    run->name = mem_string(span_str(ask->name));
    run->started = nsec_monotonic();
    try_server(run);
    return 0;
}

void dns_query_finish(struct dns_query *query)
{
    struct dns_query_run *run = query->run;

    if (!run)
        return;
    close_socket(run);
    loop_timer_cancel(run->ask.loop, &run->timer);
    free(run->name);
    free(run);
    query->run = NULL;
    if (query->done && query->error == 0)
        dns_answer_finish(&query->answer);
}
