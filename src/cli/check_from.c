/* `gardien check --from EYE`: asks an eye over each family that it has, looks from inside as well,
 * and shows both. What they mean together is check_from_judge.c's. */
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

struct from {
    struct check_request *request;
    struct eye_key key;
    struct tls_client_library *tls;
    const char *word; /* --from */
    const char *name; /* for SNI and Host, or NULL */
    const char *asked;
    uint16_t port;
    struct from_view views[FROM_VIEWS_MAX];
    size_t count;
};

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

/* The first address of each family that was wished for. */
static void choose(struct from *from, const struct lookup_result *found)
{
    int wished = from->request->options.names.family;

    for (size_t i = 0; i < found->count; i++) {
        int family = found->addresses[i].storage.ss_family;
        bool taken = wished && family != wished;
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

/* ---- the looks ---- */

/* The same look at the address that the eye was asked from. */
static void look_inside(struct from *from, struct from_view *view)
{
    struct check_options options = from->request->options;
    struct target target = {.port = from->port, .path = mem_string(SPAN("/"))};
    struct name_pin pin = {NULL, view->talk.local};
    char ip[ADDRESS_TEXT];

    address_ip_text(&view->talk.local, ip);
    target.host = mem_string(span_str(from->name ? from->name : ip));
    target.shown = mem_string(span_str(target.host));
    target.is_ip = !from->name;
    target.ip = view->talk.local;
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
    if (view->talk.local.len > 0 && check_host(&options, &view->inside) == 0) {
        view->has_inside = true;
        view->inside_json = check_json(&options, &view->inside);
    }
    target_finish(&target);
}

static void take_view(struct from *from, struct from_view *view)
{
    nsec_t seconds = from->request->options.timeout / NSEC_PER_SEC;
    const struct eye_ask ask = {.eye = view->eye,
                                .key = &from->key,
                                .tls = from->tls,
                                .name = from->name,
                                .port = from->port,
                                .seconds = seconds > EYE_SECONDS_MAX ? EYE_SECONDS_MAX
                                                                     : (unsigned)seconds};

    view->error = eye_ask(&ask, &view->talk);
    if (from_view_seen(view))
        look_inside(from, view);
    from_judge(view, from->port, from->asked);
}

/* ---- how it is shown ---- */

static void print_view(const struct face *face, const struct from *from,
                       const struct from_view *view)
{
    char ip[ADDRESS_TEXT];

    if (from_view_seen(view)) {
        scoped(mem_release) char *heading =
            mem_format("Port %u of %s, seen from %s (%s):", from->port, view->talk.answer.source,
                       address_ip_text(&view->eye, ip), from->word);
        face_style(face, FACE_BOLD);
        face_wrap(face, 0, 0, heading);
        face_style(face, FACE_PLAIN);
        findings_print(face, &view->talk.answer.findings);
        findings_print(face, &view->joined);
        fputc('\n', face->out);
    }
    check_print_verdict(face, view->well ? FACE_GREEN : FACE_RED, view->verdict, view->mend);
}

static json_t *view_json(const struct from_view *view)
{
    const struct eye_answer *answer = &view->talk.answer;
    char ip[ADDRESS_TEXT];
    json_t *object = json_pack("{s:s, s:b, s:s, s:s*}", "eye", address_text(&view->eye, ip), "well",
                               view->well, "verdict", view->verdict, "mend", view->mend);

    if (view->error == 0 && answer->error) {
        json_object_set_new(object, "refused", json_string(eye_error_word(answer->error)));
        if (answer->wait)
            json_object_set_new(object, "wait", json_integer(answer->wait));
    }
    if (!from_view_seen(view))
        return object;
    json_object_set_new(object, "source", json_string(answer->source));
    json_object_set_new(object, "open", json_boolean(answer->open));
    json_object_set_new(object, "findings", findings_json(&answer->findings));
    json_object_set_new(object, "joined", findings_json(&view->joined));
    if (answer->metrics)
        json_object_set(object, "metrics", answer->metrics);
    if (view->inside_json)
        json_object_set(object, "inside", view->inside_json);
    return object;
}

static void print_all_json(const struct from *from, bool well)
{
    json_t *views = json_array();

    for (size_t i = 0; i < from->count; i++)
        json_array_append_new(views, view_json(&from->views[i]));
    json_t *root = json_pack("{s:b, s:i, s:s*, s:o}", "well", well, "port", from->port, "name",
                             from->name, "views", views);
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII); /* an eye's facts may hold any */
    fputc('\n', stdout);
    json_decref(root);
}

/* ---- all ---- */

static void finish(struct from *from)
{
    for (size_t i = 0; i < from->count; i++) {
        struct from_view *view = &from->views[i];
        eye_answer_finish(&view->talk.answer);
        if (view->has_inside)
            check_result_finish(&view->inside);
        json_decref(view->inside_json);
        findings_finish(&view->joined);
        free(view->verdict);
        free(view->mend);
    }
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

int check_from(struct check_request *request, const struct arguments *arguments)
{
    const struct target *target = &request->target;
    struct from *from = mem_new(struct from);
    struct face face = face_of(stdout);
    bool json = arguments_get(arguments, "json"), well = true;

    from->request = request;
    from->word = arguments_get(arguments, "from");
    from->port = request->port_here ? request->port_here : target->port;
    from->name = request->port_here || target->is_ip ? NULL : target->host;
    from->asked = !request->port_here && target->is_ip ? target->host : NULL;
    int r = prepare(arguments, from);
    for (size_t i = 0; r == 0 && i < from->count; i++) {
        take_view(from, &from->views[i]);
        well = well && from->views[i].well;
        if (!json && i > 0)
            fputc('\n', face.out);
        if (!json)
            print_view(&face, from, &from->views[i]);
        fflush(stdout);
    }
    if (r == 0 && json)
        print_all_json(from, well);
    finish(from);
    free(from);
    return r == 0 && well ? APP_OK : APP_FAILED;
}
