/* Redirects. The location is written from parts that cannot lead to another host by accident. */
#include "serve/redirect.h"

#include <stdio.h>

#include "serve/request.h"
#include "serve/route.h"
#include "serve/server_state.h"

/* ---- where to ---- */

bool redirect_is_ip_literal(struct span host)
{
    if (host.len == 0 || host.ptr[0] == '[')
        return true;
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9'))
            return false;
    return true;
}

/* The port in the client's address line, which another machine may map to ours. */
static uint16_t port_of(struct span authority, uint16_t without)
{
    ptrdiff_t colon = span_find_last(authority, ':');
    uint64_t port;

    if (colon < 0 || span_to_uint(span_from(authority, (size_t)colon + 1), &port) < 0)
        return without;
    return (uint16_t)port; /* a valid authority's is at most 65535 */
}

/* The host to name in a redirect to HTTPS: the client's, if a site has it; else the main name. */
static struct span https_host(const struct request *r)
{
    bool exact;

    if (sites_find(r->sites, r->x->request.host, &exact))
        return r->x->request.host;
    return r->site ? span_str(r->site->main_name) : (struct span){0};
}

static uint16_t https_port(const struct request *r)
{
    return r->source->misdirected ? port_of(r->x->request.authority, r->client->local_port)
                                  : r->sites->https_port;
}

bool redirect_leads_to_https(const struct request *r)
{
    struct span host = https_host(r);

    return host.len > 0 && host.ptr[0] != '*' && https_port(r) != 0;
}

bool redirect_leads_to_main(const struct request *r)
{
    struct span host = r->x->request.host;

    return r->site && r->exact_name && r->site->redirect_to_main &&
           !span_equal(host, span_str(r->site->main_name)) && !redirect_is_ip_literal(host);
}

/* ---- answers ---- */

static void send_redirect(struct request *r, int status, struct span location)
{
    struct http_response response;

    if (!location.ptr || request_response(r, status, 1, &response) < 0) {
        request_fail(r, 500, "the memory of the exchange is full");
        return;
    }
    response.fields.items[response.fields.count++] =
        (struct http_field){SPAN("location"), location};
    request_respond(r, &response, NULL);
}

/* 308 keeps the method and the body (RFC 9110 section 15.4.9). */
static void send_to_https(struct request *r, struct span host, uint16_t port)
{
    const struct http_request *request = &r->x->request;
    struct span path = request->path.len && request->path.ptr[0] == '/' ? request->path : SPAN("/");
    bool bare_ipv6 = host.ptr[0] != '[' && span_find(host, ':') >= 0;
    char port_text[8] = "";

    if (port != 443)
        snprintf(port_text, sizeof port_text, ":%u", port);
    send_redirect(r, 308,
                  arena_printf(&r->x->arena, "https://%s%.*s%s%s%.*s%s%.*s", bare_ipv6 ? "[" : "",
                               SPAN_ARGS(host), bare_ipv6 ? "]" : "", port_text, SPAN_ARGS(path),
                               request->query.ptr ? "?" : "", SPAN_ARGS(request->query)));
}

static void start_to_https(struct request *r)
{
    send_to_https(r, https_host(r), https_port(r));
}

static void start_to_main(struct request *r)
{
    send_to_https(r, span_str(r->site->main_name), port_of(r->x->request.authority, 443));
}

/* The rest of the path goes encoded anew behind the target, which ends with at most one slash, and
 * begins with exactly one: no browser takes it for another host. */
static struct span append_rest(struct request *r, struct span to)
{
    scoped(buffer_finish) struct buffer location =
        buffer_make(to.len + 3 * r->rest.len + r->x->request.query.len + 2);
    struct span query = r->x->request.query;
    int failed = 0;

    if (r->path.len > r->route->path.len) {
        if (to.len && to.ptr[to.len - 1] == '/')
            to.len--;
        failed = buffer_add(&location, to);
        if (failed >= 0)
            failed = http_path_encode(&location, r->rest);
    } else {
        failed = buffer_add(&location, to);
    }
    if (failed >= 0 && query.ptr) {
        failed = buffer_append(&location, "?", 1);
        if (failed >= 0)
            failed = buffer_add(&location, query);
    }
    char *text = failed < 0 ? NULL : arena_copy(&r->x->arena, buffer_span(&location));
    return span_of(text, text ? location.len : 0);
}

static void start_redirect(struct request *r)
{
    const struct redirect_settings *settings = r->route->config;
    struct span to = span_str(settings->to);
    bool whole = strpbrk(settings->to, "?#") != NULL; /* nothing can stand behind those */

    send_redirect(r, (int)settings->status,
                  settings->keep_path && !whole ? append_rest(r, to) : to);
}

const struct handler redirect_to_https_handler = {.name = "redirect", .start = start_to_https};
const struct handler redirect_to_main_handler = {.name = "redirect", .start = start_to_main};
const struct handler redirect_handler = {.name = "redirect", .start = start_redirect};

/* ---- settings ---- */

const char *redirect_target_wrong(const char *to)
{
    struct span target = span_str(to);

    if (target.len == 0)
        return "is empty";
    for (size_t i = 0; i < target.len; i++)
        if ((unsigned char)target.ptr[i] <= ' ' || (unsigned char)target.ptr[i] >= 0x7f)
            return "has a character that must be percent-encoded in a URL";
    if (span_starts(target, SPAN("//")))
        return "begins with two slashes, which leads to another host";
    if (target.ptr[0] != '/' && !span_starts(target, SPAN("https://")) &&
        !span_starts(target, SPAN("http://")))
        return "is neither a path such as /new nor a URL such as https://example.com/";
    return NULL;
}

const struct config_row redirect_rows[] = {
    {.name = "to",
     .type = CONFIG_STRING,
     .offset = offsetof(struct redirect_settings, to),
     .required = true,
     .check = redirect_target_wrong,
     .help = "where to: a path of this site, or a whole URL",
     .example = "/new"},
    {.name = "status",
     .type = CONFIG_INT,
     .offset = offsetof(struct redirect_settings, status),
     .min = 301,
     .max = 308,
     .def = "308",
     .help = "308 and 301 are permanent, 307 and 302 temporary, 303 is for the page after a form; "
             "307 and 308 keep the method"},
    {.name = "keep_path",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct redirect_settings, keep_path),
     .def = "on",
     .help = "append what stands beneath the route's path, and the query, unless `to` has a query "
             "or fragment of its own"},
    CONFIG_END,
};
