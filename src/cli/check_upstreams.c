/* The applications behind the gardien that runs here: each server that a site forwards to is
 * connected to, once, as the connector process would. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/check_parts.h"
#include "cli/cli.h"
#include "firewall/firewall.h"
#include "serve/serve.h"

enum { CONNECT_MS = 1000, ASK_SECONDS = 2, SERVERS_MAX = 64 };

struct walk {
    struct findings *findings;
    const char *site;
    const char *path; /* of the route; NULL: the site */
    size_t asked;
};

/* ---- one server ---- */

/* @return 0, or -errno */
static int connect_to(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(int);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, address, len) < 0) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        error = errno;
        if (error == EINPROGRESS) {
            error = ETIMEDOUT;
            if (poll(&wait, 1, CONNECT_MS) == 1 &&
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                error = errno;
        }
    }
    close(fd);
    return -error;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (len >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        address.sun_path[0] = '\0';
    return connect_to((const struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path != '@')));
}

/* @return 0, -errno of the last of its addresses, or ERR_NOT_FOUND: the name has none */
static int connect_tcp(const struct upstream_address *server)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char port[8];
    int r = ERR_NOT_FOUND;

    snprintf(port, sizeof port, "%u", server->port);
    if (getaddrinfo(server->host, port, &wanted, &list) != 0)
        return r;
    for (const struct addrinfo *item = list; item && r != 0; item = item->ai_next)
        r = connect_to(item->ai_addr, item->ai_addrlen);
    freeaddrinfo(list);
    return r;
}

static const char *what_happened(int error)
{
    switch (error) {
    case -ECONNREFUSED:
        return "where nobody listens";
    case -ENOENT:
        return "which is not there";
    case -ETIMEDOUT:
        return "which does not answer";
    case ERR_NOT_FOUND:
        return "a name that leads nowhere";
    default:
        return error_text(error);
    }
}

static const char *what_to_do(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ENOENT:
        return "start the application, or correct `proxy` in the settings";
    case -ETIMEDOUT:
        return "see whether a firewall drops the way there, on this machine or on that one";
    case ERR_NOT_FOUND:
        return "correct the name in the settings, or see what DNS says of it";
    default:
        return NULL;
    }
}

/* Rules of this machine that keep requests from getting there, or answers from coming back.
 * @return the finding, or NULL */
static struct finding *judge_rules(struct findings *findings, const struct upstream_address *server)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
    struct finding *finding = NULL;
    struct addrinfo *list = NULL;
    char port[8], text[UPSTREAM_TEXT_MAX];

    snprintf(port, sizeof port, "%u", server->port);
    if (*server->path || getaddrinfo(server->host, port, &wanted, &list) != 0)
        return NULL;
    for (const struct addrinfo *item = list; item && !finding; item = item->ai_next) {
        struct firewall_path path;
        if (!firewall_keeps_in(item->ai_addr, IPPROTO_TCP, &path))
            continue;
        finding = findings_add(findings, FINDING_BAD, "upstream",
                               "requests are forwarded to %s, and this machine's firewall keeps "
                               "them from getting there: %s",
                               upstream_address_text(server, text), path.reason);
        if (path.hint)
            finding_hint(finding, "%s", path.hint);
        firewall_path_finish(&path);
    }
    freeaddrinfo(list);
    return finding;
}

static struct finding *judge_failure(struct findings *findings,
                                     const struct upstream_address *server, int error)
{
    char text[UPSTREAM_TEXT_MAX];
    struct finding *finding = error == ERR_NOT_FOUND ? NULL : judge_rules(findings, server);

    if (finding)
        return finding;
    finding = findings_add(findings, FINDING_BAD, "upstream", "requests are forwarded to %s, %s",
                           upstream_address_text(server, text), what_happened(error));
    if (what_to_do(error))
        finding_hint(finding, "%s", what_to_do(error));
    return finding;
}

static void try_server(void *context, const struct upstream_address *server, nsec_t timeout)
{
    struct walk *walk = context;
    char text[UPSTREAM_TEXT_MAX];

    (void)timeout;
    if (walk->asked++ >= SERVERS_MAX)
        return;
    int r = *server->path ? connect_unix(server->path) : connect_tcp(server);
    struct finding *finding =
        r == 0 ? findings_add(walk->findings, FINDING_GOOD, "upstream", "%s accepts connections",
                              upstream_address_text(server, text))
               : judge_failure(walk->findings, server, r);
    finding_subject(finding, "%s%s", walk->site, walk->path ? walk->path : "");
}

/* ---- all of them ---- */

static void walk_settings(const struct settings *settings, struct findings *findings)
{
    struct walk walk = {.findings = findings};

    for (size_t i = 0; i < settings->sites.count; i++) {
        const struct settings_site *site = &settings_sites(settings)[i];
        walk.site = site->names.count ? site->names.items[0] : "";
        walk.path = NULL;
        upstreams_each_of(settings, site->proxy, try_server, &walk);
        for (size_t n = 0; n < site->routes.count; n++) {
            walk.path = settings_routes(site)[n].path;
            upstreams_each_of(settings, settings_routes(site)[n].proxy, try_server, &walk);
        }
    }
    if (walk.asked > SERVERS_MAX)
        findings_add(findings, FINDING_NOTE, "upstream", "%zu more servers were not tried",
                     walk.asked - SERVERS_MAX);
}

void check_upstreams(const char *state, struct findings *findings)
{
    json_t *request = json_pack("{s:s, s:b}", "do", "protect", "settings", 1), *answer = NULL;
    struct settings *settings = NULL;

    int r = control_ask(state, request, ASK_SECONDS * NSEC_PER_SEC, &answer);
    const char *text = json_string_value(json_object_get(answer, "settings"));
    if (r == 0 && text && settings_parse(span_str(text), &settings) == 0)
        walk_settings(settings, findings);
    settings_destroy(settings);
    json_decref(request);
    json_decref(answer);
}
