/* `gardien check --from EYE`: asks an eye over each family that it has, looks from inside as well,
 * and shows both. What they mean together is check_from_judge.c's, how they look
 * check_from_text.c's. */
#include "cli/check_from.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/eye_key.h"
#include "os/lookup.h"

#define LOOKUP_PATIENCE (5 * NSEC_PER_SEC)

/* ---- the eye's addresses ---- */

static int look_up(const char *host, uint16_t port, struct lookup_result *ret_result)
{
    nsec_t deadline = nsec_monotonic() + LOOKUP_PATIENCE;
    struct lookup lookup;
    int r = lookup_start(&lookup, host);

    if (r < 0)
        return r;
    do {
        struct pollfd wait = {.fd = lookup.fd, .events = POLLIN};
        nsec_t left = deadline - nsec_monotonic();
        if (left <= 0 || (poll(&wait, 1, (int)(left / NSEC_PER_MSEC) + 1) < 0 && errno != EINTR)) {
            r = ERR_TIMEOUT;
            break;
        }
        r = lookup_read(&lookup, port, ret_result);
    } while (r == 0);
    lookup_finish(&lookup);
    return r < 0 ? r : ret_result->error || ret_result->count == 0 ? ERR_NOT_FOUND : 0;
}

/* The first address of each family that was asked for. */
static void choose(struct from *from, const struct lookup_result *found)
{
    int wanted = from->request->options.names.family;

    for (size_t i = 0; i < found->count; i++) {
        int family = found->addresses[i].storage.ss_family;
        bool taken = wanted && family != wanted;
        for (size_t k = 0; k < from->count; k++)
            taken = taken || from->views[k].eye.storage.ss_family == family;
        if (!taken && from->count < FROM_VIEWS_MAX)
            from->views[from->count++].eye = found->addresses[i];
    }
}

/* Is a port written behind the host? An IPv6 address without brackets has none. */
static bool has_port(const char *word)
{
    const char *colon = strrchr(word, ':'), *bracket = strrchr(word, ']');

    return colon && (bracket ? colon > bracket : strchr(word, ':') == colon);
}

static int find_eye(struct from *from, struct diags *diags)
{
    struct lookup_result found = {.count = 0};
    struct target eye;

    int r = target_parse(from->word, diags, &eye);
    if (r < 0)
        return r;
    uint16_t port = has_port(from->word) ? eye.port : EYE_PORT;
    if (eye.is_ip) {
        found.addresses[found.count++] = eye.ip;
        address_set_port(&found.addresses[0], port);
    } else {
        r = look_up(eye.host, port, &found);
    }
    if (r == 0)
        choose(from, &found);
    if (from->count == 0) {
        diag_hint(diags_add(diags, "the eye \"%s\" has no address%s", from->word,
                            found.count ? " of that family" : ""),
                  "name a machine on which `gardien eye` runs, or its IP address");
        r = ERR_NOT_FOUND;
    }
    target_finish(&eye);
    return r;
}

/* ---- the checks ---- */

/* The same check of the address that the eye was asked from. */
static void look_inside(struct from *from, struct from_view *view)
{
    struct check_options options = from->request->options;
    struct target target = {.port = from->port, .path = mem_string(SPAN("/"))};
    struct name_pin pin = {NULL, view->outcome.local};
    char ip[ADDRESS_TEXT];

    address_ip_text(&view->outcome.local, ip);
    target.host = mem_string(span_str(from->name ? from->name : ip));
    target.shown = mem_string(span_str(target.host));
    target.is_ip = !from->name;
    target.ip = view->outcome.local;
    address_set_port(&target.ip, from->port);
    address_set_port(&pin.address, from->port);
    pin.name = target.host;
    options.target = &target;
    options.names.pins = &pin;
    options.names.pin_count = from->name ? 1 : 0;
    options.names.family = 0;
    options.wall = nsec_realtime();
    options.stay = true;
    options.any_name = !from->name;
    if (view->outcome.local.len > 0 && check_host(&options, &view->inside) == 0) {
        view->has_inside = true;
        view->inside_json = check_json(&options, &view->inside);
    }
    target_finish(&target);
}

/* What is expected of the eye's check; then this decides, and nothing else. */
static void judge_expected(const struct expectations *expectations, struct from_view *view)
{
    struct check_metrics metrics;

    if (expectations->count == 0 || !from_view_seen(view))
        return;
    check_metrics_read(view->outcome.answer.metrics, &metrics);
    view->well = expectations_judge(expectations, &metrics, &view->joined) == 0;
}

void from_take_view(struct from *from, struct from_view *view)
{
    nsec_t seconds = from->request->options.timeout / NSEC_PER_SEC;
    const struct eye_ask ask = {.eye = view->eye,
                                .key = &from->key,
                                .tls = from->tls,
                                .name = from->name,
                                .port = from->port,
                                .seconds = seconds > EYE_SECONDS_MAX ? EYE_SECONDS_MAX
                                                                     : (unsigned)seconds};

    view->error = eye_ask(&ask, &view->outcome);
    if (from_view_seen(view))
        look_inside(from, view);
    from_judge(view, from->port, from->asked);
    judge_expected(&from->request->expectations, view);
}

/* ---- all ---- */

void from_view_finish(struct from_view *view)
{
    eye_answer_finish(&view->outcome.answer);
    if (view->has_inside)
        check_result_finish(&view->inside);
    json_decref(view->inside_json);
    findings_finish(&view->joined);
    free(view->verdict);
    free(view->hint);
    *view = (struct from_view){.eye = view->eye};
}

static void finish(struct from *from)
{
    for (size_t i = 0; i < from->count; i++)
        from_view_finish(&from->views[i]);
    tls_client_library_destroy(from->tls);
    eye_key_wipe(&from->key);
}

static int prepare(const struct arguments *arguments, struct from *from)
{
    struct diags diags = {0};
    int r = eye_key_of(arguments, &diags, &from->key);

    if (r == 0)
        r = find_eye(from, &diags);
    if (r == 0 && tls_client_library_create(&from->tls) < 0) {
        diags_add(&diags, "the TLS library does not start");
        r = ERR_TLS;
    }
    print_diags(stderr, &diags);
    diags_finish(&diags);
    return r;
}

/* @return is all well? */
static bool check_once(struct from *from, bool show)
{
    struct printer printer = printer_of(stdout);
    bool well = true;

    for (size_t i = 0; i < from->count; i++) {
        from_take_view(from, &from->views[i]);
        well = well && from->views[i].well;
        if (show && i > 0)
            fputc('\n', printer.out);
        if (show)
            from_print_view(&printer, from, &from->views[i]);
        fflush(stdout);
    }
    return well;
}

static int run(struct from *from, const struct arguments *arguments)
{
    bool json = arguments_get(arguments, "json"), nagios = arguments_get(arguments, "nagios");

    if (arguments_get(arguments, "watch"))
        return from_watch(from, json) ? APP_OK : APP_FAILED;
    bool well = check_once(from, !json && !nagios);
    if (nagios)
        return from_print_nagios(from);
    if (json)
        print_json(from_json(from));
    return well ? APP_OK : APP_FAILED;
}

int check_from(struct check_request *request, const struct arguments *arguments)
{
    const struct target *target = &request->target;
    struct from *from = mem_new(struct from);
    int code = APP_FAILED;

    from->request = request;
    from->word = arguments_get(arguments, "from");
    from->port = request->port_here ? request->port_here : target->port;
    from->name = request->port_here || target->is_ip ? NULL : target->host;
    from->asked = !request->port_here && target->is_ip ? target->host : NULL;
    if (prepare(arguments, from) == 0) {
        code = run(from, arguments);
    } else if (arguments_get(arguments, "nagios")) {
        nagios_print(NAGIOS_UNKNOWN, "the eye could not be asked", NULL, "");
        code = NAGIOS_UNKNOWN;
    }
    finish(from);
    free(from);
    return code;
}
