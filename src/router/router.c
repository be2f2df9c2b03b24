/* The asking process: it gives up root and files, speaks with the router and writes down what
 * became of it. Reading foreign XML is the riskiest thing that opening a port takes, so it happens
 * where nothing is to be gained. The words are router_judge.c's. */
#include "router/router.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/network.h"
#include "os/process.h"
#include "os/sandbox.h"
#include "router/router_protocols.h"

#define FIND_MOST (2900 * NSEC_PER_MSEC)
#define TALK_MOST (13 * NSEC_PER_SEC)

/* ---- the asking process ---- */

static int confine(const char *user)
{
    static const struct {
        int resource;
        rlim_t max;
    } limits[] = {{RLIMIT_CORE, 0},
                  {RLIMIT_NPROC, 0},
                  {RLIMIT_NOFILE, 32},
                  {RLIMIT_CPU, 5},
                  {RLIMIT_FSIZE, 65536}};
    int r = geteuid() == 0 ? sandbox_switch_user(user ? user : "nobody") : 0;

    if (r >= 0)
        r = sandbox_no_new_privs();
    if (r >= 0) {
        r = sandbox_landlock_client(NULL, 0);
        if (r == -ENOSYS || r == -EOPNOTSUPP) /* the kernel has no Landlock */
            r = 0;
    }
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(limits); i++)
        if (setrlimit(limits[i].resource, &(struct rlimit){limits[i].max, limits[i].max}) < 0)
            r = -errno;
    return r < 0 ? r : sandbox_seccomp(SANDBOX_CLIENT);
}

static bool all_settled(const struct router_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->ports[i].outcome != ROUTER_MAPPED && answer->ports[i].outcome != ROUTER_REMOVED)
            return false;
    return true;
}

bool router_available(void)
{
    return HAVE_NATPMP || HAVE_MINIUPNPC;
}

static void speak(const struct router_task *task, struct router_answer *answer)
{
    if (task->router.s_addr)
        router_natpmp(task, answer);
    if (task->request->close || !all_settled(answer))
        router_upnp(task, answer);
}

static void run_child(const struct router_task *task, struct router_answer *answer, int pipe)
{
    size_t done = 0;

    if (confine(task->request->user) < 0)
        _exit(1);
    speak(task, answer);
    while (done < sizeof *answer) {
        ssize_t n = write(pipe, (const char *)answer + done, sizeof *answer - done);
        if (n <= 0)
            _exit(1);
        done += (size_t)n;
    }
    _exit(0);
}

/* ---- in the parent ---- */

/* Reads the whole answer. @return 0, ERR_TIMEOUT, or ERR_PROTOCOL when the process ended before */
static int collect(int pipe, struct router_answer *ret_answer)
{
    nsec_t end = nsec_monotonic() + TALK_MOST;
    size_t done = 0;

    while (done < sizeof *ret_answer) {
        nsec_t left = end - nsec_monotonic();
        struct pollfd wait = {.fd = pipe, .events = POLLIN};
        if (left <= 0)
            return ERR_TIMEOUT;
        int n = poll(&wait, 1, (int)(left / NSEC_PER_MSEC) + 1);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n <= 0)
            continue;
        ssize_t got = read(pipe, (char *)ret_answer + done, sizeof *ret_answer - done);
        if (got <= 0)
            return ERR_PROTOCOL;
        done += (size_t)got;
    }
    return 0;
}

static bool is_text(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

/* The process met foreign bytes: what it says is not believed unseen. */
static bool well_formed(const struct router_answer *answer, const struct router_request *request)
{
    if (answer->count != request->ports.count || !is_text(answer->wan, sizeof answer->wan))
        return false;
    for (size_t i = 0; i < answer->count; i++) {
        const struct router_port *port = &answer->ports[i];
        if (!port_equal(port->port, request->ports.items[i]) || port->outcome >= ROUTER_OUTCOMES ||
            port->speech >= ROUTER_SPEECHES || !is_text(port->holder, sizeof port->holder))
            return false;
    }
    return true;
}

static int ask(const struct router_task *task, struct router_answer *answer)
{
    scoped(mem_release) struct router_answer *heard = mem_new(struct router_answer);
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = process_fork("gardien router", &ends[1], 1);
    if (pid == 0)
        run_child(task, answer, 3);
    close(ends[1]);
    int r = pid < 0 ? (int)pid : collect(ends[0], heard);
    close(ends[0]);
    if (pid < 0)
        return r;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (r == 0 && !well_formed(heard, task->request))
        r = ERR_PROTOCOL;
    if (r < 0)
        return r;
    memcpy(answer->heard, heard->heard, sizeof answer->heard);
    memcpy(answer->wan, heard->wan, sizeof answer->wan);
    memcpy(answer->ports, heard->ports, sizeof answer->ports);
    return 0;
}

int router_talk(const struct router_request *request, struct router_answer *ret_answer)
{
    struct network_place places[NETWORK_PLACES_MAX];
    struct router_task task = {.request = request, .until = nsec_monotonic() + FIND_MOST};
    int count = network_places(AF_INET, places);

    *ret_answer = (struct router_answer){.count = request->ports.count};
    for (size_t i = 0; i < request->ports.count; i++)
        ret_answer->ports[i].port = request->ports.items[i];
    if (count < 0)
        return count;
    ret_answer->routed = count > 0 && places[0].routed;
    if (count == 0)
        return 0;
    memcpy(&task.router, places[0].router, sizeof task.router);
    memcpy(&task.address, places[0].address, sizeof task.address);
    memcpy(ret_answer->interface, places[0].interface, sizeof ret_answer->interface);
    inet_ntop(AF_INET, &task.address, ret_answer->address, sizeof ret_answer->address);
    if (task.router.s_addr)
        inet_ntop(AF_INET, &task.router, ret_answer->router, sizeof ret_answer->router);
    ret_answer->direct = router_wan_kind(ret_answer->address) == ROUTER_WAN_PUBLIC;
    return ret_answer->direct ? 0 : ask(&task, ret_answer);
}

bool router_fine(const struct router_answer *answer)
{
    if (answer->direct)
        return true;
    for (size_t i = 0; i < answer->count; i++)
        if (answer->ports[i].outcome != ROUTER_MAPPED &&
            answer->ports[i].outcome != ROUTER_REMOVED && answer->ports[i].outcome != ROUTER_ABSENT)
            return false;
    return true;
}

uint32_t router_renew_after(const struct router_answer *answer)
{
    uint32_t soonest = 0;

    for (size_t i = 0; i < answer->count; i++) {
        const struct router_port *port = &answer->ports[i];
        if (port->outcome == ROUTER_MAPPED && port->lease &&
            (!soonest || port->lease / 2 < soonest))
            soonest = port->lease / 2 ? port->lease / 2 : 1;
    }
    return soonest;
}
