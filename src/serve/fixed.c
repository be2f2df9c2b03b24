/* Answers every request of a route with the status and the text of its settings. */
#include "serve/fixed.h"

#include "serve/request.h"
#include "serve/route.h"

static void start(struct request *r)
{
    const struct respond_settings *settings = r->route->config;
    struct http_body *body = NULL;
    struct http_response response;

    if (!settings->body) {
        request_fail(r, (int)settings->status, NULL);
        return;
    }
    int failed = request_response(r, (int)settings->status, 1, &response);
    if (failed >= 0)
        body = request_text_body(r, span_str(settings->body));
    if (!body) {
        request_fail(r, 500, "the memory of the exchange is full");
        return;
    }
    response.fields.items[response.fields.count++] =
        (struct http_field){SPAN("content-type"), span_str(settings->type)};
    response.content_length = (int64_t)strlen(settings->body);
    request_respond(r, &response, body);
}

const struct handler respond_handler = {.name = "respond", .start = start};

static const char *check_type(const char *value)
{
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            return "has a character that may not stand in a media type";
    return strchr(value, '/') ? NULL : "is no media type such as text/plain";
}

const struct config_row respond_rows[] = {
    {.name = "status",
     .type = CONFIG_INT,
     .offset = offsetof(struct respond_settings, status),
     .min = 200,
     .max = 599,
     .def = "200",
     .help = "the status of the answer"},
    {.name = "body",
     .type = CONFIG_STRING,
     .offset = offsetof(struct respond_settings, body),
     .help = "the text of the answer; without it, an error gets its error page",
     .example = "\"ok\\n\""},
    {.name = "type",
     .type = CONFIG_STRING,
     .offset = offsetof(struct respond_settings, type),
     .def = "text/plain; charset=utf-8",
     .check = check_type,
     .help = "the media type of that text",
     .example = "application/json"},
    CONFIG_END,
};
