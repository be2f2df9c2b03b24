/* `gardien serve`: the command line becomes text of settings, which then goes the same way as a
 * file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "base/mem.h"
#include "cli/serve.h"
#include "os/output.h"

const struct option serve_options[] = {
    {"config", "FILE", false, "settings file, in place of FOLDER and NAME"},
    {"listing", NULL, false, "list what is in folders that have no index.html"},
    {"spa", NULL, false,
     "answer paths that are not there with /index.html, for applications of one page"},
    {"https", "ADDR:PORT", true,
     "address for HTTPS, or a port alone, by default :443; `off` for none"},
    {"http", "ADDR:PORT", true,
     "address for plain HTTP, by default :80, or off when --https is given; `off` for none"},
    {"cert", "FILE", false, "certificate, PEM, in place of one of the local CA"},
    {"key", "FILE", false, "its private key, PEM, by default in the certificate's file"},
    {"state", "DIR", false,
     "state folder, by default /var/lib/gardien as root, else that of the XDG standard"},
    {"open", NULL, false, "open the ports in this machine's firewall while it serves"},
    {"router", NULL, false,
     "ask the home router in front (NAT-PMP, UPnP) to send the ports on to this machine"},
    {"workers", "N", false, "worker processes; 0, the default, is one a CPU"},
    {"access-log", "FILE", false,
     "access log: a file, `stdout`, or `off`; by default /var/log/gardien/access.log with the "
     "state folder /var/lib/gardien, else access.log in the state folder"},
    {"log-format", "combined|combined_plus|json", false, "form of its lines"},
    OPTION_END,
};

/* ---- the text ---- */

static json_t *path_value(const char *path)
{
    scoped(mem_release) char *absolute = absolute_path(path);
    return json_string(absolute);
}

/* All values of a repeatable option, or NULL when it was not given. */
static json_t *list_of(const struct arguments *arguments, const char *name)
{
    json_t *list = json_array();

    for (size_t i = 0; i < arguments->given_count; i++)
        if (strcmp(arguments->given[i].option->name, name) == 0)
            json_array_append_new(list, json_string(arguments->given[i].value));
    if (json_array_size(list) == 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

/* What the access log's options say; an empty object without any. */
static json_t *logs_of(const struct arguments *arguments)
{
    const char *access = arguments_get(arguments, "access-log");
    const char *format = arguments_get(arguments, "log-format");
    json_t *logs = json_object();

    if (access && (strcmp(access, "off") == 0 || strcmp(access, "stdout") == 0))
        json_object_set_new(logs, "access", json_string(access));
    else if (access)
        json_object_set_new(logs, "access", path_value(access));
    if (format)
        json_object_set_new(logs, "format", json_string(format));
    return logs;
}

/* What options say that may also stand beside --config. */
static json_t *common(const struct arguments *arguments, bool with_file)
{
    json_t *text = json_object(), *listen = json_object();
    json_t *https = list_of(arguments, "https"), *http = list_of(arguments, "http");
    const char *state = arguments_get(arguments, "state");
    const char *workers = arguments_get(arguments, "workers");

    if (https && !http && !with_file)
        http = json_pack("[s]", "off");
    if (https)
        json_object_set_new(listen, "https", https);
    if (http)
        json_object_set_new(listen, "http", http);
    if (json_object_size(listen))
        json_object_set(text, "listen", listen);
    json_decref(listen);
    json_t *logs = logs_of(arguments);
    if (json_object_size(logs))
        json_object_set(text, "logs", logs);
    json_decref(logs);
    bool router = arguments_get(arguments, "router"), open = arguments_get(arguments, "open");
    if (router || open)
        json_object_set_new(text, "firewall",
                            json_pack("{s:b, s:b}", "router", (int)router, "open", (int)open));
    if (state)
        json_object_set_new(text, "state", path_value(state));
    if (workers)
        json_object_set_new(text, "workers", json_string(workers));
    return text;
}

static json_t *names_of(const char *const *words, size_t count)
{
    char address[SERVE_ADDRESS_TEXT];

    if (count == 0) {
        json_t *own = json_pack("[s, s, s]", "localhost", "127.0.0.1", "::1");
        if (serve_network_address(address))
            json_array_append_new(own, json_string(address));
        return own;
    }
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(names, json_string(words[i]));
    return names;
}

json_t *serve_site(const struct arguments *arguments, const char *const *words, size_t names)
{
    const char *cert = arguments_get(arguments, "cert"), *key = arguments_get(arguments, "key");
    json_t *site = json_object();

    json_object_set_new(site, "names", names_of(words, names));
    /* Of several names for this machine none is the right one. */
    if (names == 0)
        json_object_set_new(site, "redirect_to_main", json_false());
    if (cert) {
        json_t *certificate = json_object();
        json_object_set_new(certificate, "file", path_value(cert));
        if (key)
            json_object_set_new(certificate, "key", path_value(key));
        json_object_set_new(site, "certificate", json_pack("[o]", certificate));
    }
    return site;
}

static json_t *site_of(const struct arguments *arguments)
{
    const char *folder = arguments->word_count ? arguments->words[0] : ".";
    size_t names = arguments->word_count ? arguments->word_count - 1 : 0;
    json_t *site = serve_site(arguments, arguments->words + 1, names);

    scoped(mem_release) char *page = mem_format("%s/404.html", folder);
    json_t *files = json_pack("{s:o?, s:b}", "root", path_value(folder), "listing",
                              arguments_get(arguments, "listing") != NULL);

    if (access(page, R_OK) == 0) /* as other static servers do */
        json_object_set_new(files, "error_pages", json_pack("{s:s}", "404", "/404.html"));
    json_object_set_new(site, "files", files);
    if (arguments_get(arguments, "spa"))
        json_object_set_new(site, "fallback", json_string("/index.html"));
    return site;
}

/* ---- the folder ---- */

/* What visitors get where there is no page to begin with. */
static void tell_of_index(FILE *out, const struct arguments *arguments)
{
    const char *folder = arguments->word_count ? arguments->words[0] : ".";
    scoped(mem_release) char *index = mem_format("%s/index.html", folder);

    if (arguments_get(arguments, "listing") || access(folder, F_OK) < 0 ||
        access(index, F_OK) == 0 || errno != ENOENT)
        return;
    print_escaped(out,
                  "note: %s has no index.html, so visitors of / get an error page; --listing shows "
                  "them what is in it\n",
                  folder);
}

/* A host name in place of the folder: `gardien serve example.com`. */
static bool is_folder(const struct arguments *arguments)
{
    const char *word = arguments->word_count ? arguments->words[0] : ".";

    if (access(word, F_OK) == 0 || errno != ENOENT || strchr(word, '/') || !strchr(word, '.') ||
        strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
            strlen(word))
        return true;
    scoped(mem_release) char *hint =
        mem_format("if it is a host name, name the folder before it: gardien serve . %s", word);
    print_error(hint, "there is no folder \"%s\" here", word);
    return false;
}

/* ---- what does not go together ---- */

/* `key` of a certificate is by default in its file. A file that cannot be read is complained of
 * later, with the reason. */
static bool has_key(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[128];
    bool found = !file;

    while (!found && fgets(line, sizeof line, file))
        found = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, "PRIVATE KEY-----");
    if (file)
        fclose(file);
    return found;
}

static bool is_there(const char *option, const char *path)
{
    if (!path || access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
        return true;
    scoped(mem_release) char *here = absolute_path(path);
    scoped(mem_release) char *hint = mem_format("it is looked for at %s", here);
    print_error(hint, "--%s %s: there is no such file", option, path);
    return false;
}

bool serve_certificate_fits(const struct arguments *arguments)
{
    const char *cert = arguments_get(arguments, "cert");

    if (!is_there("cert", cert) || !is_there("key", arguments_get(arguments, "key")))
        return false;

    if (arguments_get(arguments, "key") && !cert) {
        print_error("name its certificate with --cert FILE", "--key has no meaning without --cert");
        return false;
    }
    if (!arguments_get(arguments, "key") && cert && !has_key(cert)) {
        print_error("name it with --key FILE", "--cert %s has no private key in it", cert);
        return false;
    }
    return true;
}

static bool fits_together(const struct arguments *arguments)
{
    bool config = arguments_get(arguments, "config") != NULL;

    if (config && arguments->word_count) {
        print_error("write the folder and its names into the file, under `sites`",
                    "a folder and --config do not go together");
        return false;
    }
    if (config && (arguments_get(arguments, "listing") || arguments_get(arguments, "spa"))) {
        print_error("write `listing: true` or `fallback: /index.html` into the file",
                    "--listing and --spa do not go with --config");
        return false;
    }
    if (config && (arguments_get(arguments, "cert") || arguments_get(arguments, "key"))) {
        print_error("write them into the file, as `certificate` of a site",
                    "--cert and --key do not go with --config");
        return false;
    }
    return serve_certificate_fits(arguments);
}

/* ---- running ---- */

/* Nobody may read what is said here: the guardian does not wait for it. */
struct said {
    const struct arguments *arguments;
    struct output standard_output;
    struct output standard_error;
};

/* Writes what was printed to a stream of open_memstream(). */
static void say(struct output *output, FILE *memory, char *const *text, const size_t *len)
{
    fclose(memory);
    if (*len)
        output_line(output, span_of(*text, *len));
    free(*text);
}

static void on_step(void *context, const char *step, const char *text)
{
    struct said *said = context;
    char *line = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&line, &len);

    if (!memory)
        return;
    print_escaped(memory, "%s: %s\n", step, text);
    if (strcmp(step, "folder") == 0 && !arguments_get(said->arguments, "config"))
        tell_of_index(memory, said->arguments);
    if (strcmp(step, "ready") == 0)
        serve_tell_network(memory, said->arguments);
    say(&said->standard_output, memory, &line, &len);
}

static void on_diags(void *context, const struct diags *diags)
{
    struct said *said = context;
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);

    if (!memory)
        return;
    print_diags_as(memory, stderr, diags);
    say(&said->standard_error, memory, &text, &len);
}

static int start(const struct settings_source *source, const struct arguments *arguments)
{
    struct said said = {arguments, {.fd = -1}, {.fd = -1}};
    struct guardian_options options = {.source = *source,
                                       .argv = cli_argv(),
                                       .on_step = on_step,
                                       .on_diags = on_diags,
                                       .context = &said};

    /* What is closed is not written to. */
    if (output_open(&said.standard_output, STDOUT_FILENO) < 0)
        said.standard_output.fd = -1;
    if (output_open(&said.standard_error, STDERR_FILENO) < 0)
        said.standard_error.fd = -1;
    int code = guardian_run(&options);
    output_close(&said.standard_output);
    output_close(&said.standard_error);
    return code;
}

static int start_text(const struct arguments *arguments, json_t *text)
{
    struct settings_source source = {NULL};
    scoped(mem_release) char *written = json_dumps(text, JSON_COMPACT);

    json_decref(text);
    if (!written) {
        print_error(NULL, "the command line is not UTF-8");
        return APP_USAGE;
    }
    source.text = written;
    return start(&source, arguments);
}

int serve_one_site(const struct arguments *arguments, json_t *site)
{
    json_t *text = common(arguments, false);

    json_object_set_new(text, "sites", json_pack("[o]", site));
    return start_text(arguments, text);
}

static int serve_file(const struct arguments *arguments, const char *file)
{
    json_t *text = common(arguments, true);
    bool overrides = json_object_size(text) > 0;
    scoped(mem_release) char *written = json_dumps(text, JSON_COMPACT);
    scoped(mem_release) char *path = absolute_path(file);
    struct settings_source source = {.path = path, .overrides = overrides ? written : NULL};

    json_decref(text);
    if (!written) {
        print_error(NULL, "the command line is not UTF-8");
        return APP_USAGE;
    }
    return start(&source, arguments);
}

static int serve_run(const struct arguments *arguments)
{
    const char *file = arguments_get(arguments, "config");

    if (!fits_together(arguments) || (!file && !is_folder(arguments)))
        return APP_USAGE;
    return file ? serve_file(arguments, file) : serve_one_site(arguments, site_of(arguments));
}

const struct verb serve_verb = {
    "serve",
    serve_run,
    "serve a folder, or what a settings file says, over HTTPS",
    "[FOLDER [NAME...]] [OPTION...]\n       gardien serve --config FILE [OPTION...]",
    "Serves FOLDER (by default the current one) under the host names given (by default\n"
    "localhost), with certificates from gardien's own local CA unless --cert says otherwise.\n"
    "Plain HTTP redirects to HTTPS. It runs until it is told to stop: SIGTERM or SIGINT stop it\n"
    "after answers under way, SIGHUP reloads, SIGUSR1 opens log files anew, SIGUSR2 upgrades.",
    "gardien serve ./public\n"
    "gardien serve ./public example.com www.example.com\n"
    "gardien serve ./public --https :8443 --http :8080\n"
    "gardien serve ~/share --listing\n"
    "gardien serve --config /etc/gardien/gardien.yaml\n",
    serve_options,
    SIZE_MAX,
    .words = "FOLDER"};
