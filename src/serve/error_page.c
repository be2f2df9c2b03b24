/* The page of an error. Which status it is, others decide. */
#include "serve/error_page.h"

#include <stdio.h>

#include "serve/files/files.h"
#include "serve/route.h"
#include "serve/sites.h"

enum { OWN_FIELDS = 3 };

static const char *explain(int status)
{
    switch (status) {
    case 400:
        return "The request could not be understood.";
    case 403:
        return "You may not see this.";
    case 404:
        return "There is nothing at this address.";
    case 405:
        return "This can only be read.";
    case 408:
        return "The request took too long to arrive.";
    case 412:
        return "A condition of the request does not hold.";
    case 413:
        return "The request is too large.";
    case 414:
        return "The address is too long.";
    case 416:
        return "The requested part lies outside of the file.";
    case 421:
        return "This site is not served on this connection.";
    case 429:
        return "Too many requests. Please try again in a moment.";
    case 431:
        return "The header of the request is too large.";
    case 503:
        return "The server is busy. Please try again in a moment.";
    default:
        return status >= 500 ? "Something went wrong on the server."
                             : "The request cannot be answered.";
    }
}

static struct span page_html(struct request *r, int status)
{
    return arena_printf(
        &r->x->arena,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" "
        "content=\"noindex\">\n<title>%d %s</title>\n"
        "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;"
        "max-width:36em;margin:15vh auto;padding:0 1.5em}h1{font-size:1.6em}"
        "small{opacity:.7}</style>\n<h1>%d %s</h1>\n<p>%s</p>\n<p><small>Request %s</small></p>\n",
        status, http_reason(status), status, http_reason(status), explain(status), r->id);
}

static struct span page_text(struct request *r, int status)
{
    return arena_printf(&r->x->arena, "%d %s\n%s\nRequest %s\n", status, http_reason(status),
                        explain(status), r->id);
}

static void put(struct http_response *response, struct span name, struct span value)
{
    response->fields.items[response->fields.count++] = (struct http_field){name, value};
}

/* Room for more fields, with one allocation at most. */
static bool reserve(struct arena *arena, struct http_fields *fields, unsigned more)
{
    if (fields->room - fields->count >= more)
        return true;
    struct http_field *items = arena_alloc(arena, (fields->count + more) * sizeof *items);
    if (!items)
        return false;
    if (fields->count)
        memcpy(items, fields->items, fields->count * sizeof *items);
    *fields = (struct http_fields){items, fields->count, fields->count + more};
    return true;
}

static bool own_page(struct request *r, struct http_response *response, struct http_body **ret_body)
{
    struct http_asks asks;

    http_asks_find(&r->x->request.fields, &asks);
    bool html = http_accept_q(&asks, SPAN("text/html"), NULL) > 0;
    struct span page = html ? page_html(r, response->status) : page_text(r, response->status);
    struct http_body *body = page.ptr ? request_text_body(r, page) : NULL;
    if (!body)
        return false;
    put(response, SPAN("content-type"),
        html ? SPAN("text/html; charset=utf-8") : SPAN("text/plain; charset=utf-8"));
    put(response, SPAN("vary"), SPAN("accept"));
    put(response, SPAN("content-security-policy"),
        SPAN("default-src 'none'; style-src 'unsafe-inline'"));
    response->content_length = (int64_t)page.len;
    *ret_body = body;
    return true;
}

bool error_page_add(struct request *r, struct http_response *response, struct http_body **ret_body)
{
    struct files *files = r->route ? r->route->pages : r->site ? r->site->pages : NULL;
    struct files_page page;

    if (!reserve(&r->x->arena, &response->fields, OWN_FIELDS))
        return false;
    if (files && files_error_page(files, r, response->status, &page)) {
        put(response, SPAN("content-type"), page.type);
        response->content_length = page.length;
        *ret_body = page.body;
        return true;
    }
    return own_page(r, response, ret_body);
}
