/* The rows of every setting that this module owns, and the root table that joins those of all
 * features. Reading them is config/'s; defaults that depend on who runs us are settings.c's. */
#include "app/settings.h"
#include "os/socket.h"

#define SECONDS(n) ((n)*NSEC_PER_SEC)

static const char *check_address(const char *text)
{
    return strcmp(text, "off") == 0 ? NULL : socket_address_check(text);
}

static const char *check_log(const char *text)
{
    static const char *const words[] = {"off", "stdout", "stderr"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(text, words[i]) == 0)
            return NULL;
    return text[0] == '/' ? NULL : "is neither an absolute path nor `off`, `stdout` or `stderr`";
}

static const char *check_url_path(const char *text)
{
    return text[0] == '/' ? NULL : "does not begin with a slash";
}

static const char *const http3_modes[] = {"off", "auto", "on", NULL};
static const char *check_group_name(const char *text)
{
    return proxy_target_is_name(text)
               ? NULL
               : "is no name: letters, digits, - and _ make one up, not digits alone";
}

static const struct config_row proxy_protocol_rows[] = {
    {.name = "on",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_proxy_protocol, on),
     .check = socket_address_check,
     .help = "addresses of `listen` on which every connection begins with a PROXY header",
     .example = "[\":8443\"]"},
    {.name = "from",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_proxy_protocol, from),
     .check = peer_network_check,
     .help = "addresses and networks that may say who the client is; connections from others are "
             "closed on those addresses",
     .example = "[10.0.0.0/8]"},
    CONFIG_END,
};

static const struct config_row listen_rows[] = {
    {.name = "https",
     .option = "--https :8443",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_listen, https),
     .max = 64,
     .def = "[\":443\"]",
     .check = check_address,
     .off = true,
     .help = "addresses for HTTPS; without a host, all of the machine's",
     .example = "[\":443\", \"192.0.2.1:8443\"]"},
    {.name = "http",
     .option = "--http :8080",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_listen, http),
     .max = 64,
     .def = "[\":80\"]",
     .check = check_address,
     .off = true,
     .help = "addresses for plain HTTP, which redirects to HTTPS; or off",
     .example = "[\":80\"]"},
    {.name = "proxy_protocol",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_listen, proxy_protocol),
     .rows = proxy_protocol_rows,
     .help = "the PROXY protocol, versions 1 and 2, of load balancers in front"},
    {.name = "http3",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct settings_listen, http3),
     .def = "off",
     .choices = http3_modes,
     .help =
         "HTTP/3 over UDP at the addresses of `https` (those with the PROXY protocol left out): "
         "`auto` goes on without it where a UDP port is taken or this program was built "
         "without its libraries, which is a mistake with `on`. Nothing announces it: clients "
         "come that try it by themselves or that an HTTPS record or a field Alt-Svc of yours "
         "tells"},
    CONFIG_END,
};

static const char *const log_formats[] = {"combined", "combined_plus", "json", NULL};

static const struct config_row logs_rows[] = {
    {.name = "access",
     .option = "--access-log /var/log/gardien/access.log",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings_logs, access),
     .check = check_log,
     .off = true,
     .help = "where a line for each answer goes: an absolute path, stdout, or off; by default "
             "/var/log/gardien/access.log as root with the state folder /var/lib/gardien, else "
             "access.log in the state folder",
     .example = "/var/log/gardien/access.log"},
    {.name = "format",
     .option = "--log-format combined",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct settings_logs, format),
     .def = "combined",
     .choices = log_formats,
     .help = "the form of the access log's lines: combined is that of nginx and Apache; "
             "combined_plus has the host, the request's id and the seconds that it took behind it, "
             "and suits fail2ban's nginx filters as well; json has everything"},
    {.name = "redact",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_logs, redact),
     .max = 64,
     .def = ACCESS_REDACT_DEFAULT,
     .help = "names of query parameters whose values are replaced by [redacted] in the access log, "
             "in targets and in Referer, whatever the case of their letters; [] writes all",
     .example = "[password, token]"},
    {.name = "error",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings_logs, error),
     .def = "stderr",
     .check = check_log,
     .off = true,
     .help = "where events go, one line of key=value each: an absolute path or stderr",
     .example = "/var/log/gardien/error.log"},
    CONFIG_END,
};

static const struct config_row firewall_rows[] = {
    {.name = "router",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings_firewall, router),
     .def = "off",
     .help =
         "ask the home router in front, by NAT-PMP or UPnP, to send the ports of `listen` on to "
         "this machine for as long as it serves"},
    {.name = "open",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings_firewall, open),
     .def = "off",
     .help =
         "open the ports of `listen` in this machine's firewall, as `gardien open` does, for as "
         "long as it serves; ports that were open before stay open"},
    CONFIG_END,
};

static const struct config_row headers_rows[] = {
    {.name = "set",
     .type = CONFIG_PAIRS,
     .offset = offsetof(struct settings_headers, set),
     .help = "fields that replace those of the same name",
     .example = "{Cache-Control: max-age=3600}"},
    {.name = "add",
     .type = CONFIG_PAIRS,
     .offset = offsetof(struct settings_headers, add),
     .help = "fields that stand beside those of the same name"},
    {.name = "remove",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_headers, remove),
     .help = "names of fields to leave out"},
    CONFIG_END,
};

static const struct config_row hsts_rows[] = {
    {.name = "max_age",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct settings_hsts, max_age),
     .max = 10 * 366 * SECONDS(INT64_C(86400)),
     .def = "1d",
     .help = "how long browsers shall remember to come by HTTPS only; start short, since it cannot "
             "be taken back; 0 sends nothing"},
    {.name = "include_subdomains",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings_hsts, include_subdomains),
     .def = "off",
     .help = "the same for every name below"},
    {.name = "preload",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings_hsts, preload),
     .def = "off",
     .help = "consent to the browsers' built-in lists, which takes months to undo"},
    CONFIG_END,
};

static const struct config_row certificate_rows[] = {
    {.name = "file",
     .type = CONFIG_PATH,
     .offset = offsetof(struct settings_certificate, file),
     .required = true,
     .help = "PEM file of the certificate and those that lead to its root",
     .example = "/etc/ssl/example.pem"},
    {.name = "key",
     .type = CONFIG_PATH,
     .offset = offsetof(struct settings_certificate, key),
     .help = "PEM file of the private key; by default in `file` as well",
     .example = "/etc/ssl/example.key"},
    CONFIG_END,
};

static const struct config_row route_protect_rows[] = {
    PROTECT_RULES_ROWS(struct protect_route_settings, rules),
    CONFIG_END,
};

static const struct config_row route_rows[] = {
    {.name = "path",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings_route, path),
     .required = true,
     .check = check_url_path,
     .help = "the path and all that lies beneath: /api is for /api and /api/x, not for /apis; "
             "/api/ is for what lies beneath. Of several that fit, the longest counts",
     .example = "/old"},
    {.name = "exact",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings_route, exact),
     .def = "off",
     .help = "only for that very path"},
    {.name = "redirect",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct settings_route, redirect),
     .rows = redirect_rows,
     .size = sizeof(struct redirect_settings),
     .scalar = "to",
     .help = "answer with a redirect",
     .example = "/new"},
    {.name = "respond",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct settings_route, respond),
     .rows = respond_rows,
     .size = sizeof(struct respond_settings),
     .scalar = "status",
     .help = "answer with this status, and a text if one is given",
     .example = "410"},
    {.name = "files",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct settings_route, files),
     .rows = files_rows,
     .size = sizeof(struct files_settings),
     .scalar = "root",
     .help = "the folder that answers; what follows the route's path is looked for in it",
     .example = "/srv/downloads"},
    {.name = "headers",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_route, headers),
     .rows = headers_rows,
     .help = "fields of this route's answers, after those of the site"},
    {.name = "proxy",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct settings_route, proxy),
     .rows = proxy_rows,
     .size = sizeof(struct proxy_settings),
     .scalar = "to",
     .help =
         "the server that these requests are forwarded to, or a group of `upstreams`; they keep "
         "their whole path unless `path` says otherwise",
     .example = "127.0.0.1:3000"},
    {.name = "protect",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_route, protect),
     .rows = route_protect_rows,
     .help = "what looks at this route's requests"},
    CONFIG_END,
};

static const struct config_row site_rows[] = {
    {.name = "names",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_site, names),
     .min = 1,
     .max = 1000,
     .required = true,
     .help = "host names, the main one first; *.example.com stands for every name one label "
             "below; names such as bücher.example become their xn-- form",
     .example = "[example.com, www.example.com]"},
    {.name = "default",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings_site, is_default),
     .def = "off",
     .help = "this site answers for names that no site has; without any such, the first one does"},
    {.name = "redirect_to_main",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings_site, redirect_to_main),
     .def = "on",
     .help = "the other names answer with a redirect to the main one"},
    {.name = "files",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct settings_site, files),
     .rows = files_rows,
     .size = sizeof(struct files_settings),
     .scalar = "root",
     .help = "the folder that the site serves",
     .example = "/srv/www"},
    {.name = "compress",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_site, compress),
     .rows = compress_rows,
     .scalar = "enabled",
     .help =
         "compression of what `routes` answer; `files` has a `compress` of its own. Event streams "
         "and what has a coding already are never compressed"},
    {.name = "routes",
     .type = CONFIG_LIST,
     .offset = offsetof(struct settings_site, routes),
     .max = 1000,
     .rows = route_rows,
     .size = sizeof(struct settings_route),
     .help = "what else answers, by path; their order does not matter",
     .example = "[{path: /old, redirect: /new}]"},
    {.name = "proxy",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct settings_site, proxy),
     .rows = proxy_rows,
     .size = sizeof(struct proxy_settings),
     .scalar = "to",
     .help =
         "the server that the site's requests are forwarded to, or a group of `upstreams`; beside "
         "`files` it gets what these do not have",
     .example = "127.0.0.1:3000"},
    {.name = "fallback",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings_site, fallback),
     .check = check_url_path,
     .help = "the same as `fallback` of `files`: what answers for paths that do not exist",
     .example = "/index.html"},
    {.name = "certificate",
     .type = CONFIG_LIST,
     .offset = offsetof(struct settings_site, certificate),
     .max = 8,
     .rows = certificate_rows,
     .size = sizeof(struct settings_certificate),
     .scalar = "file",
     .help = "certificates of different key kinds; without any, the local CA makes one"},
    {.name = "headers",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_site, headers),
     .rows = headers_rows,
     .help = "fields of this site's answers, after those of all sites"},
    {.name = "hsts",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_site, hsts),
     .rows = hsts_rows,
     .scalar = "max_age",
     .help = "Strict-Transport-Security; never sent for localhost and IP addresses"},
    {.name = "protect",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_site, protect),
     .rows = protect_site_rows,
     .help = "what looks at this site's requests"},
    CONFIG_END,
};

#define TABLE(key, table, words)                                                                   \
    {                                                                                              \
        .name = #key, .type = CONFIG_TABLE, .offset = offsetof(struct settings, key),              \
        .rows = table, .help = words                                                               \
    }

const struct config_row settings_rows[] = {
    TABLE(listen, listen_rows, "addresses and ports"),
    {.name = "sites",
     .type = CONFIG_LIST,
     .offset = offsetof(struct settings, sites),
     .min = 1,
     .max = 10000,
     .required = true,
     .rows = site_rows,
     .size = sizeof(struct settings_site),
     .help = "what is served under which names; their order does not matter",
     .example = "[{names: [example.com], files: /srv/www}]"},
    {.name = "upstreams",
     .type = CONFIG_NAMED,
     .offset = offsetof(struct settings, upstreams),
     .max = 1000,
     .rows = upstream_rows,
     .size = sizeof(struct upstream_settings),
     .scalar = "servers",
     .check = check_group_name,
     .help = "groups of servers that `proxy` forwards requests to, by their names",
     .example = "{app: {servers: [\"127.0.0.1:3000\", \"127.0.0.1:3001\"]}}"},
    {.name = "trusted_proxies",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings, trusted_proxies),
     .max = 1000,
     .check = peer_network_check,
     .help = "addresses and networks of proxies in front of this one: what they say of the client "
             "in X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host and Forwarded is passed on; "
             "from anybody else it is replaced",
     .example = "[10.0.0.0/8]"},
    TABLE(headers, headers_rows, "fields of every site's answers"),
    TABLE(tls, tls_rows, "versions, names and session tickets of TLS"),
    TABLE(protect, protect_rows, "what looks at requests before they are answered"),
    TABLE(limits, limits_rows, "what one client may take"),
    TABLE(logs, logs_rows, "access and error log"),
    TABLE(acme, acme_rows, "certificates of a public certificate authority, by ACME (RFC 8555)"),
    TABLE(firewall, firewall_rows, "what stands between this machine and its clients"),
    {.name = "state",
     .option = "--state /var/lib/gardien",
     .type = CONFIG_PATH,
     .offset = offsetof(struct settings, state),
     .help = "folder for the local CA, its certificates and the control socket; by default "
             "/var/lib/gardien as root, else $XDG_STATE_HOME/gardien",
     .example = "/var/lib/gardien"},
    {.name = "user",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings, user),
     .help = "account that the processes which meet clients run as, when started as root; by "
             "default gardien where it exists, else nobody",
     .example = "gardien"},
    {.name = "workers",
     .option = "--workers 4",
     .type = CONFIG_INT,
     .offset = offsetof(struct settings, workers),
     .max = 1024,
     .def = "0",
     .help = "worker processes; 0 is one a CPU"},
    {.name = "stop_deadline",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct settings, stop_deadline),
     .max = SECONDS(INT64_C(86400)),
     .def = "10s",
     .help = "how long answers under way may take when gardien is told to stop"},
    {.name = "watchdog",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct settings, watchdog),
     .max = SECONDS(3600),
     .def = "10s",
     .help =
         "a worker or the keys process that has not answered the guardian for so long is "
         "replaced; time in which it waits for a CPU or a disk does not count; 0 replaces none"},
    CONFIG_END,
};
