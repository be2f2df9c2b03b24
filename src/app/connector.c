/* Targets, their addresses, and the questions that wait for them. Addresses that were known once
 * stay in use while looking the name up again fails.
 *
 * connector_ask → (resolve → connector_resolved) → begin → next_address … on_try → answer */
#include "app/connector.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/address.h"

#define NEXT_ADDRESS_AFTER (250 * NSEC_PER_MSEC) /* RFC 8305 section 5 */
#define REFRESH_AFTER (10 * NSEC_PER_SEC)        /* looked up again beside using what is known */
#define STALE_AFTER (60 * NSEC_PER_SEC)          /* waited for, if it can be looked up */
#define FULL_AGAIN (20 * NSEC_PER_MSEC)          /* a Unix socket whose backlog is full */

struct connector {
    struct connector_options options;
    struct list targets; /* of struct target */
    struct list dials;   /* of struct dial */
};

struct target {
    struct list link;
    uint64_t id;
    struct upstream_address address;
    nsec_t timeout;
    struct socket_address addresses[CONNECTOR_ADDRESSES_MAX];
    size_t count;
    bool named;     /* the addresses come from looking its name up */
    bool resolving; /* the answer is due */
    nsec_t resolved;
    bool listed; /* by the settings that are being read */
};

struct
try {
    struct loop_watch watch; /* fd -1: not under way */
    struct dial *dial;
};

/* One connection in the making. */
struct dial {
    struct list link;
    struct connector *connector;
    struct target *target; /* NULL once it begins, or when the settings dropped it */
    int client;
    uint64_t number;
    struct socket_address addresses[CONNECTOR_ADDRESSES_MAX];
    size_t count;
    size_t next; /* of the addresses */
    struct try tries[CONNECTOR_ADDRESSES_MAX];
    size_t open; /* tries under way */
    int error;   /* of the last one that failed */
    nsec_t until;
    struct loop_timer timer; /* the next address, or the end */
};

/* ---- the end of a dial ---- */

static void close_try(struct try *try)
{
    if (try->watch.fd < 0)
        return;
    loop_remove(try->dial->connector->options.loop, &try->watch);
    close(try->watch.fd);
    try->watch.fd = -1;
    try->dial->open--;
}

static void dial_free(struct dial *dial)
{
    for (size_t i = 0; i < CONNECTOR_ADDRESSES_MAX; i++)
        close_try(&dial->tries[i]);
    loop_timer_cancel(dial->connector->options.loop, &dial->timer);
    list_remove(&dial->link);
    free(dial);
}

static void answer(struct dial *dial, int fd, int error)
{
    const struct connector_options *options = &dial->connector->options;
    uint64_t number = dial->number;
    int client = dial->client;

    dial_free(dial);
    options->on_answer(options->context, client, number, fd, error);
}

/* ---- connecting ---- */

static void on_try(struct loop_watch *watch, unsigned events);

/* @return a socket that connects or is connected, or -errno */
static int open_socket(const struct socket_address *address)
{
    int family = address->storage.ss_family, on = 1;

    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family != AF_UNIX) /* without it we would only be slower */
        (void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) == 0 ||
        errno == EINPROGRESS)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

/* Tries the next address. @return 0 when it is under way, or -errno */
static int next_address(struct dial *dial)
{
    struct try *try = &dial->tries[dial->next];

    int fd = open_socket(&dial->addresses[dial->next]);
    if (fd == -EAGAIN)
        return fd; /* the same one again, in a moment */
    dial->next++;
    if (fd < 0)
        return fd;
    try->watch = (struct loop_watch){.fd = fd, .on_event = on_try};
    try->dial = dial;
    int r = loop_add(dial->connector->options.loop, &try->watch, LOOP_EDGE);
    if (r < 0) {
        try->watch.fd = -1;
        close(fd);
        return r;
    }
    dial->open++;
    return 0;
}

/* Goes on to an address that can be tried, and sets the time for the one after it; the dial ends
 * when there is none, and none is under way. */
static void go_on(struct dial *dial)
{
    struct loop *loop = dial->connector->options.loop;
    nsec_t now = loop_now(loop), wait = NEXT_ADDRESS_AFTER;
    int r = -1;

    while (dial->next < dial->count && r < 0 && r != -EAGAIN) {
        r = next_address(dial);
        if (r < 0)
            dial->error = r;
    }
    if (r == -EAGAIN)
        wait = FULL_AGAIN;
    else if (dial->open == 0) {
        answer(dial, -1, dial->error);
        return;
    }
    bool more = dial->next < dial->count && now + wait < dial->until;
    loop_timer_set(loop, &dial->timer, more ? now + wait : dial->until);
}

static void on_dial_timer(struct loop_timer *timer, nsec_t now)
{
    struct dial *dial = container_of(timer, struct dial, timer);

    if (now >= dial->until)
        answer(dial, -1, dial->target ? -ENXIO : -ETIMEDOUT);
    else
        go_on(dial);
}

static void on_try(struct loop_watch *watch, unsigned events)
{
    struct try *try = container_of(watch, struct try, watch);
    struct dial *dial = try->dial;
    int error = 0;
    socklen_t len = sizeof error;

    if (!(events & (LOOP_WRITABLE | LOOP_HANGUP)))
        return;
    if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error == 0) {
        int fd = watch->fd;
        loop_remove(dial->connector->options.loop, watch);
        watch->fd = -1;
        dial->open--;
        answer(dial, fd, 0);
        return;
    }
    close_try(try);
    dial->error = -error;
    go_on(dial); /* the next one at once */
}

static void begin(struct dial *dial)
{
    struct target *target = take(dial->target);

    memcpy(dial->addresses, target->addresses, sizeof dial->addresses);
    dial->count = target->count;
    dial->error = -EHOSTUNREACH;
    dial->until = loop_now(dial->connector->options.loop) + target->timeout;
    go_on(dial);
}

/* ---- addresses of a target ---- */

static void add_ip(struct target *target, const char *ip)
{
    if (target->count < CONNECTOR_ADDRESSES_MAX &&
        address_from_ip(ip, target->address.port, &target->addresses[target->count]) == 0)
        target->count++;
}

static void add_unix(struct target *target)
{
    struct socket_address *address = &target->addresses[target->count++];
    struct sockaddr_un *un = (struct sockaddr_un *)&address->storage;
    size_t len = strlen(target->address.path);

    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, target->address.path, len);
    if (un->sun_path[0] == '@')
        un->sun_path[0] = '\0';
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (target->address.path[0] == '/')
        address->len++;
}

static void set_fixed_addresses(struct target *target)
{
    if (target->address.path[0]) {
        add_unix(target);
    } else if (strcmp(target->address.host, "localhost") == 0) {
        add_ip(target, "127.0.0.1"); /* programs listen on either */
        add_ip(target, "::1");
    } else {
        add_ip(target, target->address.host);
        target->named = target->count == 0;
    }
}

static void resolve(struct connector *connector, struct target *target)
{
    if (!target->named || target->resolving)
        return;
    if (connector->options.resolve(connector->options.context, target->address.host) == 0)
        target->resolving = true;
}

/* One of each family in turn, as they came. */
static void interleave(struct target *target, const struct lookup_result *result)
{
    bool used[LOOKUP_ADDRESSES_MAX] = {false};
    bool ipv6 = result->count && address_is_ipv6(&result->addresses[0]);

    target->count = 0;
    for (size_t missed = 0; target->count < CONNECTOR_ADDRESSES_MAX && missed < 2; ipv6 = !ipv6) {
        size_t i = 0;
        while (i < result->count && (used[i] || address_is_ipv6(&result->addresses[i]) != ipv6))
            i++;
        if (i == result->count) {
            missed++;
            continue;
        }
        missed = 0;
        used[i] = true;
        target->addresses[target->count] = result->addresses[i];
        address_set_port(&target->addresses[target->count++], target->address.port);
    }
}

/* Those that waited for the target's addresses go on with them, or hear that there are none. */
static void begin_waiting(struct connector *connector, struct target *target)
{
    struct list waiting;

    list_init(&waiting);
    list_for_each (dial, next, &connector->dials, struct dial, link)
        if (dial->target == target) {
            list_remove(&dial->link);
            list_append(&waiting, &dial->link);
        }
    while (!list_empty(&waiting)) {
        struct dial *dial = list_first(&waiting, struct dial, link);
        list_remove(&dial->link);
        list_append(&connector->dials, &dial->link);
        if (target->count)
            begin(dial);
        else
            answer(dial, -1, -ENXIO);
    }
}

void connector_resolved(struct connector *connector, const char *name,
                        const struct lookup_result *result)
{
    list_for_each (target, next, &connector->targets, struct target, link) {
        if (!target->resolving || strcmp(target->address.host, name) != 0)
            continue;
        target->resolving = false;
        if (result->error == 0 && result->count)
            interleave(target, result);
        /* after an error, too: asking more often would not help */
        target->resolved = loop_now(connector->options.loop);
        begin_waiting(connector, target);
    }
}

/* ---- targets ---- */

static struct target *find(struct connector *connector, uint64_t id)
{
    list_for_each (target, next, &connector->targets, struct target, link)
        if (target->id == id)
            return target;
    return NULL;
}

void connector_targets_begin(struct connector *connector)
{
    list_for_each (target, next, &connector->targets, struct target, link)
        target->listed = false;
}

void connector_target(struct connector *connector, const struct upstream_address *address,
                      nsec_t timeout)
{
    struct target *target = find(connector, upstream_address_id(address));

    if (!target) {
        target = mem_new(struct target);
        target->id = upstream_address_id(address);
        target->address = *address;
        set_fixed_addresses(target);
        list_append(&connector->targets, &target->link);
        resolve(connector, target);
    }
    if (!target->listed || timeout > target->timeout)
        target->timeout = timeout;
    target->listed = true;
}

void connector_target_of(void *connector, const struct upstream_address *address, nsec_t timeout)
{
    connector_target(connector, address, timeout);
}

void connector_targets_end(struct connector *connector)
{
    list_for_each (target, next, &connector->targets, struct target, link) {
        if (target->listed)
            continue;
        target->count = 0;
        begin_waiting(connector, target);
        list_remove(&target->link);
        free(target);
    }
}

/* ---- questions ---- */

static size_t count_of(const struct connector *connector, int client)
{
    size_t count = 0;

    for (const struct list *at = connector->dials.next; at != &connector->dials; at = at->next)
        count += container_of(at, const struct dial, link)->client == client;
    return count;
}

void connector_ask(struct connector *connector, int client, uint64_t number, uint64_t address)
{
    const struct connector_options *options = &connector->options;
    struct target *target = find(connector, address);
    nsec_t now = loop_now(options->loop);

    if (!target || count_of(connector, client) >= CONNECTOR_CLIENT_MAX) {
        options->on_answer(options->context, client, number, -1, target ? -EAGAIN : -EPERM);
        return;
    }
    struct dial *dial = mem_new(struct dial);
    *dial = (struct dial){.connector = connector,
                          .target = target,
                          .client = client,
                          .number = number,
                          .until = now + target->timeout,
                          .timer.on_timeout = on_dial_timer};
    for (size_t i = 0; i < CONNECTOR_ADDRESSES_MAX; i++)
        dial->tries[i] = (struct try){.watch.fd = -1, .dial = dial};
    list_append(&connector->dials, &dial->link);
    if (now - target->resolved > REFRESH_AFTER)
        resolve(connector, target);
    if (target->resolving && (target->count == 0 || now - target->resolved > STALE_AFTER))
        loop_timer_set(options->loop, &dial->timer, dial->until);
    else if (target->count)
        begin(dial);
    else
        answer(dial, -1, -ENXIO);
}

void connector_forget(struct connector *connector, int client)
{
    list_for_each (dial, next, &connector->dials, struct dial, link)
        if (dial->client == client)
            dial_free(dial);
}

struct connector *connector_create(const struct connector_options *options)
{
    struct connector *connector = mem_new(struct connector);

    connector->options = *options;
    list_init(&connector->targets);
    list_init(&connector->dials);
    return connector;
}

void connector_destroy(struct connector *connector)
{
    if (!connector)
        return;
    list_for_each (dial, next, &connector->dials, struct dial, link)
        dial_free(dial);
    list_for_each (target, after, &connector->targets, struct target, link) {
        list_remove(&target->link);
        free(target);
    }
    free(connector);
}
