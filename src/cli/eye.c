/* `gardien eye`: reads who may ask and where to listen, and lends the eye the check of
 * `gardien check`, tied to the one address that it may probe. */
#include "eye/eye.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "base/mem.h"
#include "check/check.h"
#include "cli/cli.h"
#include "cli/eye_key.h"
#include "os/process.h"
#include "os/state.h"

static const struct option eye_options[] = {
    {"listen", "ADDR:PORT", true, "where askers connect (default: :4434, IPv4 and IPv6)"},
    {"probes", "NUMBER", false, "probes that one address may have a minute, 1 to 60 (default: 6)"},
    OPTION_EYE_KEY,
    OPTION_STATE,
    OPTION_END,
};

/* ---- the check ---- */

/* The target is a name, which is pinned to the source, or the source itself: nothing is resolved.
 */
static int make_target(const struct eye_target *wanted, struct target *ret_target)
{
    char ip[ADDRESS_TEXT];
    struct diags diags = {0};

    if (!*wanted->name) {
        address_ip_text(&wanted->source, ip);
        *ret_target = (struct target){.host = mem_string(span_str(ip)),
                                      .shown = mem_string(span_str(ip)),
                                      .path = mem_string(SPAN("/")),
                                      .is_ip = true,
                                      .ip = wanted->source};
    } else {
        int r = target_parse(wanted->name, &diags, ret_target);
        diags_finish(&diags);
        if (r < 0)
            return r;
        if (ret_target->is_ip) { /* a number that reads as an address: it would be connected to */
            target_finish(ret_target);
            return ERR_SYNTAX;
        }
    }
    ret_target->port = wanted->port;
    if (ret_target->is_ip)
        address_set_port(&ret_target->ip, wanted->port);
    return 0;
}

/* How the address was found is the asker's to say, nobody was asked here; and the eye's own
 * interface is of no use to it. */
static void drop_ours(json_t *result)
{
    json_t *findings = json_object_get(result, "findings");

    for (size_t i = json_array_size(findings); i > 0; i--) {
        const json_t *item = json_array_get(findings, i - 1);
        const char *topic = json_string_value(json_object_get(item, "topic"));
        const char *grade = json_string_value(json_object_get(item, "grade"));
        if (topic && grade &&
            (strcmp(topic, "name") == 0 ||
             (strcmp(topic, "route") == 0 && strcmp(grade, "good") == 0)))
            json_array_remove(findings, i - 1);
    }
}

static json_t *probe_source(const struct eye_target *wanted)
{
    struct resolver nobody = {.count = 0};
    struct target target;
    struct check_result result;
    json_t *said = NULL;

    if (make_target(wanted, &target) < 0)
        return NULL;
    struct name_pin pin = {target.host, wanted->source};
    address_set_port(&pin.address, wanted->port);
    const struct check_options options = {
        .target = &target,
        .names = {.resolver = &nobody, .pins = &pin, .pin_count = !target.is_ip, .only_dns = true},
        .timeout = (nsec_t)wanted->seconds * NSEC_PER_SEC,
        .wall = nsec_realtime(),
        .stay = true,
        .any_name = target.is_ip};
    if (check_host(&options, &result) == 0) {
        said = check_json(&options, &result);
        drop_ours(said);
        check_result_finish(&result);
    }
    target_finish(&target);
    return said;
}

/* ---- the key ---- */

char *eye_key_path(const struct arguments *arguments)
{
    if (arguments_get(arguments, "eye-key"))
        return absolute_path(arguments_get(arguments, "eye-key"));
    scoped(mem_release) char *state = arguments_get(arguments, "state")
                                          ? absolute_path(arguments_get(arguments, "state"))
                                          : state_default();
    return state ? mem_format("%s/eye/key", state) : NULL;
}

int eye_key_of(const struct arguments *arguments, struct diags *diags, struct eye_key *ret_key)
{
    const char *said = getenv("GARDIEN_EYE_KEY");

    if (said && *said && !arguments_get(arguments, "eye-key")) {
        int r = eye_key_take(span_str(said), ret_key);
        if (r < 0)
            diag_hint(diags_add(diags, "GARDIEN_EYE_KEY holds no key for an eye"),
                      "a key is %d to %d letters and digits, such as `openssl rand -hex 32` prints",
                      EYE_KEY_MIN, EYE_KEY_MAX);
        return r;
    }
    scoped(mem_release) char *path = eye_key_path(arguments);
    if (path)
        return eye_key_read(path, diags, ret_key);
    diag_hint(diags_add(diags, "there is no state folder"), "name the key with --eye-key FILE");
    return ERR_NOT_FOUND;
}

/* The folders above are made too, as they are by `gardien serve`. */
static void make_folders(const char *folder)
{
    scoped(mem_release) char *path = mem_string(span_str(folder));

    for (char *c = path + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            (void)mkdir(path, 0700); /* making the key says what is missing */
            *c = '/';
        }
}

static bool make_key(const char *path)
{
    scoped(mem_release) char *folder =
        mem_string(span_of(path, (size_t)(strrchr(path, '/') - path)));

    make_folders(path);
    int r = eye_key_make(*folder ? folder : "/", path);
    if (r < 0 && r != -EEXIST)
        print_error("name another place with --eye-key FILE", "cannot make the key %s: %s", path,
                    error_text(r));
    return r == 0 || r == -EEXIST;
}

/* ---- the verb ---- */

struct eye_start {
    struct socket_address listen[EYE_LISTEN_MAX];
    struct eye_options options;
    struct eye_key key;
    char *key_path; /* NULL: from the environment */
};

static void on_ready(void *context)
{
    const struct eye_start *started = context;
    char host[256] = "HOST";
    unsigned port = socket_address_port(&started->listen[0]);

    if (gethostname(host, sizeof host) < 0 || !*host)
        snprintf(host, sizeof host, "HOST");
    host[sizeof host - 1] = '\0';
    printf("gardien eye listens on port %u\n", port);
    if (started->key_path)
        print_escaped(
            stdout,
            "the key is in %s\n"
            "  on a machine that asks: put it into STATE/eye/key, mode 600, or name it:\n",
            started->key_path);
    else
        printf("the key is that of GARDIEN_EYE_KEY; on a machine that asks, set the same:\n");
    printf("  gardien check --from %s:%u%s\n", host, port,
           started->key_path ? " --eye-key FILE" : "");
    fflush(stdout);
}

static int read_listen(const struct arguments *arguments, struct diags *diags,
                       struct eye_start *start)
{
    char usual[16];
    size_t count = 0;

    for (size_t i = 0; i < arguments->given_count; i++) {
        const struct option_given *given = &arguments->given[i];
        if (strcmp(given->option->name, "listen") != 0)
            continue;
        if (count == EYE_LISTEN_MAX ||
            socket_address_parse(given->value, &start->listen[count]) < 0) {
            diag_hint(diags_add(diags, "--listen does not take \"%s\"", given->value),
                      "for example --listen :4434 or --listen 192.0.2.1:4434, at most %d times",
                      EYE_LISTEN_MAX);
            return ERR_SYNTAX;
        }
        count++;
    }
    start->options.listen_count = count ? count : 1;
    snprintf(usual, sizeof usual, ":%d", EYE_PORT);
    return count ? 0 : socket_address_parse(usual, &start->listen[0]);
}

static int read_probes(const struct arguments *arguments, struct diags *diags, unsigned *ret_probes)
{
    const char *text = arguments_get(arguments, "probes");
    uint64_t probes = ADMISSION_PROBES;

    if (text && (span_to_uint(span_str(text), &probes) < 0 || probes < 1 || probes > 60)) {
        diag_hint(diags_add(diags, "--probes does not take \"%s\"", text),
                  "it is a number from 1 to 60");
        return ERR_SYNTAX;
    }
    *ret_probes = (unsigned)probes;
    return 0;
}

static void to_stderr(void *context, struct span line)
{
    (void)context;
    ssize_t n =
        write(STDERR_FILENO, line.ptr, line.len); /* one call: lines of processes stay whole */
    (void)n;                                      /* a log that is gone must not end the eye */
}

static int prepare(const struct arguments *arguments, struct diags *diags, struct eye_start *start)
{
    bool from_environment = getenv("GARDIEN_EYE_KEY") && *getenv("GARDIEN_EYE_KEY") &&
                            !arguments_get(arguments, "eye-key");

    if (read_listen(arguments, diags, start) < 0 ||
        read_probes(arguments, diags, &start->options.probes_a_minute) < 0)
        return APP_USAGE;
    if (!from_environment)
        start->key_path = eye_key_path(arguments);
    if (start->key_path && !make_key(start->key_path))
        return APP_FAILED;
    int r = eye_key_of(arguments, diags, &start->key);
    (void)unsetenv("GARDIEN_EYE_KEY"); /* not for the processes that probe */
    return r < 0 ? APP_FAILED : APP_OK;
}

static int eye_run(const struct arguments *arguments)
{
    const struct log log = {.level = LOG_NOTICE, .process = "eye", .sink = to_stderr};
    struct eye_start start = {.key_path = NULL};
    struct diags diags = {0};
    int code = prepare(arguments, &diags, &start);

    start.options.listen = start.listen;
    start.options.key = &start.key;
    start.options.log = &log;
    start.options.probe = probe_source;
    start.options.on_ready = on_ready;
    start.options.context = &start;
    if (geteuid() == 0)
        start.options.user = process_user_exists("gardien") ? "gardien" : "nobody";
    if (code == APP_OK && eye_serve(&start.options, &diags) < 0)
        code = APP_FAILED;
    print_diags(stderr, &diags);
    diags_finish(&diags);
    eye_key_wipe(&start.key);
    free(start.key_path);
    return code;
}

const struct verb eye_verb = {
    "eye",
    eye_run,
    "check whoever asks from outside, for `gardien check --from`",
    "[OPTION...]",
    "Runs until it is stopped, on a machine elsewhere. Those who know its key, which it makes at\n"
    "its first start, are told what it sees of them: it connects to the very address that they\n"
    "ask from and to no other, one port a question, a few times a minute. On the machine that\n"
    "asks, put the key into STATE/eye/key with mode 600, name it with --eye-key, or set\n"
    "GARDIEN_EYE_KEY. Each question is one line on standard error.",
    "gardien eye\n"
    "gardien eye --listen 192.0.2.1:4434 --probes 20\n",
    eye_options,
    0,
    "0 it was stopped; 1 it could not start; 2 the command line is wrong"};
