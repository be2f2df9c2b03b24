/* The child that asks, its answer through a pipe: result, status, source, why. */
#include "check/revocation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/self.h"

enum { HEAD = sizeof(int32_t[3]), ANSWER = HEAD + REVOCATION_WHY_MAX };

/* ---- the child ---- */

static bool is_trusted(struct span chain_pem, struct span local_ca, nsec_t wall)
{
    struct cert_judgement judgement;

    if (cert_judge(chain_pem, local_ca, wall, &judgement) < 0)
        return false;
    bool trusted = judgement.trusted;
    cert_judgement_finish(&judgement);
    return trusted;
}

/* Writing less than PIPE_BUF to an empty pipe is one step. */
static _Noreturn void ask(int out, struct span chain_pem, struct span local_ca, nsec_t wall)
{
    struct cert_revocation said = {0};
    const char *why = "this machine does not trust its chain, so nobody was asked";
    char bytes[ANSWER] = "";

    if (dup2(out, 3) != 3)
        _exit(1);
    self_close_from(4); /* a connection that the other probes close would stay open here */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    int r = is_trusted(chain_pem, local_ca, wall)
                ? cert_revocation_ask(chain_pem, wall, &said, &why)
                : ERR_NOT_FOUND;
    int32_t head[] = {r, said.status, said.source};
    memcpy(bytes, head, HEAD);
    snprintf(bytes + HEAD, REVOCATION_WHY_MAX, "%s", r < 0 ? why : "");
    _exit(write(3, bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
}

/* ---- the one who waits ---- */

static void conclude(struct revocation *revocation)
{
    int32_t head[3];

    if (revocation->answer_len == ANSWER) {
        memcpy(head, revocation->answer, HEAD);
        revocation->result = head[0];
        revocation->said = (struct cert_revocation){head[1], head[2]};
        memcpy(revocation->why, revocation->answer + HEAD, REVOCATION_WHY_MAX - 1);
    } else {
        revocation->result = ERR_PROTOCOL;
        snprintf(revocation->why, sizeof revocation->why, "%s",
                 "the process that asked ended without an answer");
    }
    revocation->done = true;
    loop_remove(revocation->loop, &revocation->watch);
    loop_hurry(revocation->loop);
}

static void on_answer(struct loop_watch *watch, unsigned events)
{
    struct revocation *revocation = container_of(watch, struct revocation, watch);

    (void)events;
    while (!revocation->done) {
        size_t room = ANSWER - revocation->answer_len;
        ssize_t n = room ? read(watch->fd, revocation->answer + revocation->answer_len, room) : 0;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            revocation->answer_len += (size_t)n;
        else
            conclude(revocation);
    }
}

static void reap(pid_t child)
{
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

void revocation_start(struct revocation *revocation, struct loop *loop, struct span chain_pem,
                      struct span local_ca, nsec_t wall)
{
    int ends[2];

    *revocation = (struct revocation){.loop = loop, .started = nsec_monotonic()};
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return;
    revocation->watch = (struct loop_watch){.fd = ends[0], .on_event = on_answer};
    revocation->child = fork();
    if (revocation->child == 0)
        ask(ends[1], chain_pem, local_ca, wall);
    close(ends[1]);
    if (revocation->child > 0 && loop_add(loop, &revocation->watch, LOOP_EDGE) == 0) {
        revocation->begun = true;
        return;
    }
    close(ends[0]);
    if (revocation->child > 0) {
        kill(revocation->child, SIGKILL);
        reap(revocation->child);
    }
}

void revocation_finish(struct revocation *revocation)
{
    if (!revocation->begun)
        return;
    if (!revocation->done)
        loop_remove(revocation->loop, &revocation->watch);
    close(revocation->watch.fd);
    kill(revocation->child, SIGKILL); /* a zombie at most, until it is waited for */
    reap(revocation->child);
    revocation->begun = false;
}
