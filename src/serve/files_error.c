/* Error answers: the site's own page, or a small one of ours. Which status it is, others decide. */
#include <errno.h>
#include <stdio.h>

#include "serve/files_parts.h"

struct text_body {
    struct http_body base;
    struct span rest;
};

static ssize_t text_read(struct http_body *body, char *out, size_t cap)
{
    struct text_body *b = container_of(body, struct text_body, base);
    size_t count = b->rest.len < cap ? b->rest.len : cap;

    memcpy(out, b->rest.ptr, count);
    b->rest = span_from(b->rest, count);
    return (ssize_t)count;
}

static struct http_body *text_body(const struct files_request *q, struct span text)
{
    struct text_body *b = arena_alloc(&q->x->arena, sizeof *b);

    if (!b)
        return NULL;
    *b = (struct text_body){{text_read, NULL, NULL}, text};
    return &b->base;
}

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
    case 431:
        return "The header of the request is too large.";
    case 503:
        return "The server is busy. Please try again in a moment.";
    default:
        return status >= 500 ? "Something went wrong on the server."
                             : "The request cannot be answered.";
    }
}

/* The id is ours, but it lands in HTML: only harmless characters go in. */
static struct span shown_id(const struct files_request *q)
{
    struct span id = q->context->request_id;

    for (size_t i = 0; i < id.len; i++) {
        char c = ascii_lower(id.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return SPAN("");
    }
    return id;
}

static struct span page_html(const struct files_request *q, int status)
{
    struct span id = shown_id(q);

    return arena_printf(
        &q->x->arena,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"robots\" "
        "content=\"noindex\">\n<title>%d %s</title>\n"
        "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;"
        "max-width:36em;margin:15vh auto;padding:0 1.5em}h1{font-size:1.6em}"
        "small{opacity:.7}</style>\n<h1>%d %s</h1>\n<p>%s</p>\n%s%.*s%s",
        status, http_reason(status), status, http_reason(status), explain(status),
        id.len ? "<p><small>Request " : "", SPAN_ARGS(id), id.len ? "</small></p>\n" : "");
}

static struct span page_text(const struct files_request *q, int status)
{
    struct span id = shown_id(q);

    return arena_printf(&q->x->arena, "%d %s\n%s\n%s%.*s%s", status, http_reason(status),
                        explain(status), id.len ? "Request " : "", SPAN_ARGS(id),
                        id.len ? "\n" : "");
}

static void send_own_page(const struct files_request *q, int status, const struct http_field *extra)
{
    bool html = http_accept_q(&q->asks, SPAN("text/html"), NULL) > 0;
    struct span page = html ? page_html(q, status) : page_text(q, status);
    struct files_reply reply;

    files_reply_begin(q, &reply, status);
    files_reply_add(&reply, SPAN("content-type"),
                    html ? SPAN("text/html; charset=utf-8") : SPAN("text/plain; charset=utf-8"));
    files_reply_add(&reply, SPAN("vary"), SPAN("accept"));
    files_reply_add(&reply, SPAN("content-security-policy"),
                    SPAN("default-src 'none'; style-src 'unsafe-inline'"));
    if (extra)
        files_reply_add(&reply, extra->name, extra->value);
    reply.response.content_length = (int64_t)page.len;
    if (q->x->request.method != HTTP_HEAD && page.ptr)
        reply.body = text_body(q, page);
    files_reply_send(q, &reply, !page.ptr || (!reply.body && q->x->request.method != HTTP_HEAD));
}

/* The path of the site's page: "404" goes before "4xx". */
static struct span page_path(const struct files *files, int status)
{
    const struct config_pairs *pages = &files->settings->error_pages;
    char exact[12], class[12];
    struct span found = {NULL, 0};

    snprintf(exact, sizeof exact, "%d", status);
    snprintf(class, sizeof class, "%dxx", status / 100);
    for (size_t i = 0; i < pages->count; i++) {
        if (strcmp(pages->items[i].key, exact) == 0)
            return span_str(pages->items[i].value);
        if (strcmp(pages->items[i].key, class) == 0)
            found = span_str(pages->items[i].value);
    }
    return found;
}

/* Finds the page in the cache or on disk. @return false when there is none */
static bool find_page(const struct files_request *q, struct span path, struct file_choice *choice)
{
    const char *reason = NULL;
    struct file_path name;
    struct opened_file opened;
    struct cached_file *file = file_cache_get(&q->files->cache, path);

    if (!file || (q->now >= file->fresh_until && !files_revalidate(q, file))) {
        int r = files_locate(q->files, path, &name, &opened, &reason);
        if (r == LOCATED_FOLDER)
            opened_file_close(&opened);
        if (r != LOCATED_FILE)
            return false;
        file = files_load(q, path, &name, &opened);
        choice->source = (struct file_source){NULL, NULL, opened.fd};
        choice->size = opened.identity.size;
        choice->type = media_type_of(span_of(name.text, name.len));
        if (file)
            opened_file_close(&opened);
    }
    if (file) {
        const struct cached_variant *plain = &file->variants[HTTP_CODING_IDENTITY];
        choice->source = (struct file_source){file, plain->bytes, -1};
        choice->size = (int64_t)plain->size;
        choice->type = file->type;
    }
    return true;
}

static void send_site_page(const struct files_request *q, int status,
                           const struct http_field *extra, struct file_choice *choice)
{
    struct files_reply reply;
    bool head = q->x->request.method == HTTP_HEAD;

    files_reply_begin(q, &reply, status);
    files_reply_add(&reply, SPAN("content-type"), choice->type->value);
    if (extra)
        files_reply_add(&reply, extra->name, extra->value);
    reply.response.content_length = choice->size;
    if (head) {
        file_source_close(&choice->source);
    } else {
        struct file_part *part = arena_alloc(&q->x->arena, sizeof *part);
        if (part)
            *part = (struct file_part){.left = choice->size};
        reply.body = files_body_parts(q, &choice->source, part, 1);
    }
    files_reply_send(q, &reply, !head && !reply.body);
}

void files_fail(const struct files_request *q, int status, const struct http_field *extra)
{
    struct file_choice choice = {0};

    if (q->files) {
        struct span path = page_path(q->files, status);
        if (path.len && find_page(q, path, &choice)) {
            send_site_page(q, status, extra, &choice);
            return;
        }
    }
    send_own_page(q, status, extra);
}

void files_fail_errno(const struct files_request *q, int error, const char *reason)
{
    const struct http_field again = {SPAN("retry-after"), SPAN("1")};

    q->context->error = error;
    if (reason)
        q->context->reason = reason;
    switch (-error) {
    case ENOENT:
    case -ERR_NOT_FOUND:
        q->context->error = 0;
        files_fail(q, 404, NULL);
        break;
    case EACCES:
    case EPERM:
        q->context->reason = "no permission to read the file";
        files_fail(q, 403, NULL);
        break;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        q->context->reason = "out of descriptors or memory";
        files_fail(q, 503, &again);
        break;
    default:
        q->context->reason = "the file cannot be opened";
        files_fail(q, 500, NULL);
        break;
    }
}

void files_error(struct files *files, struct http_exchange *x, int status,
                 struct files_context *context, nsec_t now)
{
    struct files_request q = {.files = files, .x = x, .context = context, .now = now};

    http_asks_find(&x->request.fields, &q.asks);
    files_fail(&q, status, NULL);
}
