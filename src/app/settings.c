/* The root table of rows, decoding and defaults that depend on who runs us. Checks across values
 * are settings_check.c's. */
#include "app/settings.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/process.h"
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
     .check = proxy_network_check,
     .help = "addresses and networks that may say who the client is; connections from others are "
             "closed on those addresses",
     .example = "[10.0.0.0/8]"},
    CONFIG_END,
};

static const struct config_row listen_rows[] = {
    {.name = "https",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_listen, https),
     .max = 64,
     .def = "[\":443\"]",
     .check = check_address,
     .help = "addresses for HTTPS; without a host, all of the machine's",
     .example = "[\":443\", \"192.0.2.1:8443\"]"},
    {.name = "http",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_listen, http),
     .max = 64,
     .def = "[\":80\"]",
     .check = check_address,
     .help = "addresses for plain HTTP, which redirects to HTTPS; or off",
     .example = "[\":80\"]"},
    {.name = "proxy_protocol",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct settings_listen, proxy_protocol),
     .rows = proxy_protocol_rows,
     .help = "the PROXY protocol, versions 1 and 2, of load balancers in front"},
    CONFIG_END,
};

static const char *const log_formats[] = {"combined", "json", NULL};

static const struct config_row logs_rows[] = {
    {.name = "access",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings_logs, access),
     .check = check_log,
     .help = "where a line for each answer goes: an absolute path, stdout, or off; by default "
             "/var/log/gardien/access.log as root, else access.log in the state folder",
     .example = "/var/log/gardien/access.log"},
    {.name = "format",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct settings_logs, format),
     .def = "combined",
     .choices = log_formats,
     .help = "the form of the access log's lines"},
    {.name = "error",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings_logs, error),
     .def = "stderr",
     .check = check_log,
     .help = "where events go, one line of key=value each: an absolute path or stderr",
     .example = "/var/log/gardien/error.log"},
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

static const struct config_row site_rows[] = {
    {.name = "names",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct settings_site, names),
     .min = 1,
     .max = 1000,
     .required = true,
     .help = "host names, the main one first; *.example.com stands for every name one label below",
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
     .help = "what is served under which names; their order does not matter"},
    TABLE(headers, headers_rows, "fields of every site's answers"),
    TABLE(tls, tls_rows, "versions, names and session tickets of TLS"),
    TABLE(limits, limits_rows, "what one client may take"),
    TABLE(logs, logs_rows, "access and error log"),
    {.name = "state",
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
    CONFIG_END,
};

/* ---- decoding ---- */

static void normalise_name(char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        name[i] = ascii_lower(name[i]);
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
}

static void drop_off(struct config_strings *strings)
{
    if (strings->count != 1 || strcmp(strings->items[0], "off") != 0)
        return;
    free(strings->items[0]);
    strings->count = 0;
}

/* One form for what may be written in two. */
static void normalise(struct settings *settings)
{
    struct settings_site *sites = settings_sites(settings);

    drop_off(&settings->listen.https);
    drop_off(&settings->listen.http);
    for (size_t i = 0; i < settings->sites.count; i++) {
        struct settings_site *site = &sites[i];
        for (size_t n = 0; n < site->names.count; n++)
            normalise_name(site->names.items[n]);
        if (site->fallback && site->files && !site->files->fallback)
            site->files->fallback = take(site->fallback);
    }
}

int settings_decode(const struct config_tree *tree, struct diags *diags,
                    struct settings **ret_settings)
{
    struct settings *settings = mem_new(struct settings);
    int r = config_decode(tree, settings_rows, settings, diags);

    normalise(settings);
    *ret_settings = settings;
    return r;
}

void settings_destroy(struct settings *settings)
{
    if (!settings)
        return;
    config_release(settings_rows, settings);
    free(settings);
}

int settings_parse(struct span text, struct settings **ret_settings)
{
    struct diags diags = {0};
    struct config_tree *tree = NULL;
    struct settings *settings = NULL;
    int r = config_parse(text, "settings", "/", true, &diags, &tree);

    if (r >= 0)
        r = settings_decode(tree, &diags, &settings);
    config_tree_destroy(tree);
    diags_finish(&diags);
    if (r < 0) {
        settings_destroy(settings);
        return ERR_SETTINGS;
    }
    *ret_settings = settings;
    return 0;
}

/* ---- loading ---- */

/* Lays one JSON object over another: tables key by key, anything else replaces. */
static void overlay(json_t *base, json_t *over)
{
    const char *key;
    json_t *value;

    json_object_foreach(over, key, value)
    {
        json_t *old = json_object_get(base, key);
        if (json_is_object(old) && json_is_object(value))
            overlay(old, value);
        else
            json_object_set(base, key, value);
    }
}

/* The tree with overrides laid over it, in place of the one that was read. */
static int override_tree(const char *overrides, struct diags *diags, struct config_tree **tree)
{
    scoped(mem_release) char *flat = config_tree_flatten(*tree, settings_rows);
    json_t *base = json_loads(flat, 0, NULL), *over = json_loads(overrides, 0, NULL);
    struct config_tree *laid = NULL;
    int r = ERR_SETTINGS;

    if (json_is_object(base) && json_is_object(over)) {
        overlay(base, over);
        scoped(mem_release) char *text = json_dumps(base, JSON_COMPACT);
        r = config_parse(span_str(text), SETTINGS_COMMAND_LINE, "/", true, diags, &laid);
    }
    json_decref(base);
    json_decref(over);
    if (r < 0)
        return r;
    config_tree_destroy(*tree);
    *tree = laid;
    return 0;
}

static int read_tree(const struct settings_source *source, struct diags *diags,
                     struct config_tree **ret_tree)
{
    if (source->path)
        return config_load(source->path, diags, ret_tree);
    return config_parse(span_str(source->text), SETTINGS_COMMAND_LINE, "/", true, diags, ret_tree);
}

int settings_load(const struct settings_source *source, struct diags *diags,
                  struct settings_loaded *ret_loaded)
{
    struct config_tree *tree = NULL;

    *ret_loaded = (struct settings_loaded){NULL};
    int r = read_tree(source, diags, &tree);
    if (r < 0)
        return r;
    r = settings_decode(tree, diags, &ret_loaded->settings);
    settings_check(tree, ret_loaded->settings, diags);
    if (r >= 0 && source->overrides) {
        settings_destroy(take(ret_loaded->settings));
        r = override_tree(source->overrides, diags, &tree);
        if (r >= 0)
            r = settings_decode(tree, diags, &ret_loaded->settings);
    }
    if (r >= 0)
        ret_loaded->text = config_tree_flatten(tree, settings_rows);
    config_tree_destroy(tree);
    return r < 0 ? r : diags->errors ? ERR_SETTINGS : 0;
}

void settings_loaded_finish(struct settings_loaded *loaded)
{
    settings_destroy(loaded->settings);
    free(loaded->text);
    *loaded = (struct settings_loaded){NULL};
}

/* ---- defaults that depend on who runs us ---- */

char *settings_default_state(void)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        return mem_string(SPAN("/var/lib/gardien"));
    if (xdg && xdg[0] == '/')
        return mem_format("%s/gardien", xdg);
    return home && home[0] == '/' ? mem_format("%s/.local/state/gardien", home) : NULL;
}

char *settings_access_log(const struct settings *settings, const char *state)
{
    if (settings->logs.access)
        return mem_string(span_str(settings->logs.access));
    if (geteuid() == 0)
        return mem_string(SPAN("/var/log/gardien/access.log"));
    return mem_format("%s/access.log", state);
}

unsigned settings_workers(const struct settings *settings)
{
    return settings->workers > 0 ? (unsigned)settings->workers : process_cpus();
}

int settings_default_site(const struct settings *settings)
{
    const struct settings_site *sites = settings_sites(settings);

    for (size_t i = 0; i < settings->sites.count; i++)
        if (sites[i].is_default)
            return (int)i;
    return settings->sites.count ? 0 : -1;
}
