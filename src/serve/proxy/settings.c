/* The rows of `upstreams` and `proxy`. Which group a route names is checked across values. */
#include "serve/proxy/settings.h"

#include "base/error.h"
#include "serve/proxy/address.h"
#include "serve/proxy/path.h"

#define SECONDS(n) ((n)*NSEC_PER_SEC)
enum { WEIGHT_MAX = 256 };

bool proxy_target_is_name(const char *text)
{
    bool digits = text[0] != '\0';

    for (const char *at = text; *at; at++) {
        char c = ascii_lower(*at);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
        digits &= c >= '0' && c <= '9';
    }
    return !digits && text[0] != '\0';
}

const char *proxy_target_check(const char *text)
{
    return proxy_target_is_name(text) ? NULL : upstream_address_check(text);
}

int upstream_weight(const struct upstream_settings *settings, const char *server)
{
    for (size_t i = 0; i < settings->weights.count; i++) {
        uint64_t weight;
        if (strcmp(settings->weights.items[i].key, server) != 0)
            continue;
        if (span_to_uint(span_str(settings->weights.items[i].value), &weight) < 0 ||
            weight > WEIGHT_MAX)
            return -1;
        return (int)weight;
    }
    return 1;
}

static const struct config_row health_rows[] = {
    {.name = "failures",
     .type = CONFIG_INT,
     .offset = offsetof(struct health_settings, failures),
     .max = 1000,
     .def = "3",
     .help = "so many failed requests within `window` make a server unavailable; 0: never"},
    {.name = "window",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct health_settings, window),
     .min = SECONDS(1),
     .max = SECONDS(3600),
     .def = "10s",
     .help = "the time in which failures are counted"},
    {.name = "pause",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct health_settings, pause),
     .min = NSEC_PER_MSEC,
     .max = SECONDS(3600),
     .def = "1s",
     .help = "how long an unavailable server gets no request; then one finds out whether it is "
             "back, and the pause doubles while it is not"},
    {.name = "pause_max",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct health_settings, pause_max),
     .min = NSEC_PER_MSEC,
     .max = SECONDS(3600),
     .def = "15s",
     .help = "the longest pause"},
    {.name = "slow_start",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct health_settings, slow_start),
     .max = SECONDS(3600),
     .def = "0",
     .help = "a server that was unavailable gets its full share after so long"},
    CONFIG_END,
};

static const struct config_row timeout_rows[] = {
    {.name = "connect",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct proxy_timeouts, connect),
     .min = NSEC_PER_MSEC,
     .max = SECONDS(600),
     .def = "5s",
     .help = "until a connection stands"},
    {.name = "first_byte",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct proxy_timeouts, first_byte),
     .min = NSEC_PER_MSEC,
     .max = SECONDS(INT64_C(86400)),
     .def = "60s",
     .help = "from the end of the request to the beginning of the answer"},
    {.name = "between",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct proxy_timeouts, between),
     .min = NSEC_PER_MSEC,
     .max = SECONDS(INT64_C(86400)),
     .def = "60s",
     .help = "between two parts of a request or answer"},
    {.name = "whole",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct proxy_timeouts, whole),
     .max = SECONDS(INT64_C(86400)),
     .def = "0",
     .help = "for the whole request, with all tries; 0: no bound"},
    {.name = "tunnel",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct proxy_timeouts, tunnel),
     .min = NSEC_PER_MSEC,
     .max = SECONDS(30 * INT64_C(86400)),
     .def = "1h",
     .help = "how long a WebSocket may be silent in both directions"},
    CONFIG_END,
};

static const char *const balances[] = {"round_robin", "least", "two", "address", NULL};

static const char *check_name(const char *text)
{
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == '/' || (unsigned char)*at >= 0x7f)
            return "is no host name or IP address";
    return strlen(text) < UPSTREAM_HOST_MAX ? NULL : "is too long for a host name";
}

static const struct config_row tls_client_rows[] = {
    {.name = "verify",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct upstream_tls_settings, verify),
     .def = "on",
     .help = "whether a server has to prove its name with a certificate; off lets anybody between "
             "here and there read and change everything"},
    {.name = "ca_file",
     .type = CONFIG_PATH,
     .offset = offsetof(struct upstream_tls_settings, ca_file),
     .help = "file with the certificates to trust (PEM): of a private authority, or the server's "
             "own self-signed one; without it, the authorities that the system trusts",
     .example = "/etc/gardien/backend-ca.pem"},
    {.name = "name",
     .type = CONFIG_STRING,
     .offset = offsetof(struct upstream_tls_settings, name),
     .min = 1,
     .check = check_name,
     .help = "the name that the certificate has to be for and that is asked for (SNI); without it, "
             "the server's host as it is written",
     .example = "app.internal"},
    CONFIG_END,
};

const struct config_row upstream_rows[] = {
    {.name = "servers",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct upstream_settings, servers),
     .min = 1,
     .max = 64,
     .required = true,
     .check = upstream_address_check,
     .help = "host:port, :port of this machine, unix:/path, or https://host for TLS",
     .example = "[\"127.0.0.1:3000\", \"unix:/run/app.sock\"]"},
    {.name = "weights",
     .type = CONFIG_PAIRS,
     .offset = offsetof(struct upstream_settings, weights),
     .help =
         "shares of servers as they are written in `servers`, 0 to 256; without one it is 1, and "
         "a server with 0 gets nothing",
     .example = "{\"127.0.0.1:3000\": 3}"},
    {.name = "balance",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct upstream_settings, balance),
     .def = "round_robin",
     .choices = balances,
     .help =
         "which server gets a request: each in its turn, the one with the least to do, the less "
         "loaded of two at random, or always the same for a client's address"},
    {.name = "health",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct upstream_settings, health),
     .rows = health_rows,
     .help = "when a server counts as unavailable"},
    {.name = "timeouts",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct upstream_settings, timeouts),
     .rows = timeout_rows,
     .help = "how long the servers may take"},
    {.name = "tls",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct upstream_settings, tls),
     .rows = tls_client_rows,
     .help = "how servers written with https:// prove who they are"},
    {.name = "keep",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct upstream_settings, keep),
     .max = SECONDS(3600),
     .def = "4s",
     .help =
         "how long an unused connection is kept; shorter than the servers keep it (Node.js: 5 "
         "seconds), or they close it while a request is on its way; 0: each request has its own"},
    {.name = "idle",
     .type = CONFIG_INT,
     .offset = offsetof(struct upstream_settings, idle),
     .max = 10000,
     .def = "128",
     .help = "unused connections that each worker keeps to each server"},
    {.name = "tries",
     .type = CONFIG_INT,
     .offset = offsetof(struct upstream_settings, tries),
     .min = 1,
     .max = 8,
     .def = "3",
     .help = "how often a request is sent at most, where sending it again is safe; retries are "
             "bounded to a fifth of all requests as well"},
    {.name = "waiting",
     .type = CONFIG_INT,
     .offset = offsetof(struct upstream_settings, waiting),
     .min = 1,
     .max = 100000,
     .def = "1000",
     .help = "requests that may wait for a connection to a server, in each worker; more are "
             "answered with 503"},
    CONFIG_END,
};

static const char *check_path(const char *path)
{
    if (*path != '/')
        return "does not begin with a slash";
    if (strpbrk(path, "?#%\\") || strstr(path, "//") || path_is_ambiguous(span_str(path)))
        return "has a query, a fragment, %, a backslash, an empty segment or one of dots";
    for (const char *at = path; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return "has a space or a control character";
    return NULL;
}

const struct config_row proxy_rows[] = {
    {.name = "to",
     .type = CONFIG_STRING,
     .offset = offsetof(struct proxy_settings, to),
     .required = true,
     .check = proxy_target_check,
     .help =
         "a name under `upstreams`, or one server: host:port, :port of this machine, unix:/path, "
         "https://host for TLS",
     .example = "127.0.0.1:3000"},
    {.name = "path",
     .type = CONFIG_STRING,
     .offset = offsetof(struct proxy_settings, path),
     .check = check_path,
     .help =
         "stands in place of the route's path on the way to the server, and is replaced by it in "
         "Location and cookies on the way back; / takes the route's path off",
     .example = "/"},
    {.name = "buffer",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct proxy_settings, buffer),
     .min = 4096,
     .max = 16 << 20,
     .def = "64KiB",
     .help = "bytes of an answer that are held for a slow client; then the server has to wait"},
    {.name = "body_size",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct proxy_settings, body_size),
     .max = INT64_C(1) << 50,
     .def = "0",
     .help = "largest request body; a larger one gets 413; 0 is as `limits.body_size` says"},
    CONFIG_END,
};
