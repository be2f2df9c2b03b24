/* Answers with the chosen representation: conditions, ranges, fields, body. Errors on the way are
 * error.c's to word. */
#include <inttypes.h>
#include <stdio.h>

#include "serve/files/internal.h"

enum { OWN_FIELDS = 10 };

void files_reply_begin(const struct files_request *q, struct files_reply *reply, int status)
{
    reply->body = NULL;
    if (request_response(q->r, status, OWN_FIELDS, &reply->response) < 0)
        reply->response = (struct http_response){.status = status};
}

void files_reply_add(struct files_reply *reply, struct span name, struct span value)
{
    struct http_fields *fields = &reply->response.fields;

    if (fields->count < fields->room)
        fields->items[fields->count++] = (struct http_field){name, value};
}

void files_reply_send(const struct files_request *q, struct files_reply *reply, bool broken)
{
    if (unlikely(broken || !reply->response.fields.items)) {
        if (reply->body && reply->body->close)
            reply->body->close(reply->body);
        request_fail(q->r, 500, "the memory of the exchange is full");
        return;
    }
    request_respond(q->r, &reply->response, reply->body);
}

/* The tags move to the arena: what they come from may be gone before the exchange. */
static const struct file_tags *keep_tags(const struct files_request *q,
                                         const struct file_tags *tags)
{
    struct file_tags *ours = arena_alloc(&q->x->arena, sizeof *ours);

    if (ours)
        *ours = *tags;
    return ours;
}

static struct span etag_of(const struct file_tags *tags)
{
    return span_of(tags->etag, tags->etag_len);
}

/* Fields that a 200 and a 206 share. @return false when the arena is full */
static bool add_fields(const struct files_request *q, struct files_reply *reply,
                       const struct file_choice *choice, struct span content_type)
{
    const struct file_tags *tags = keep_tags(q, choice->tags);

    if (!tags)
        return false;
    files_reply_add(reply, SPAN("content-type"), content_type);
    if (choice->coding != HTTP_CODING_IDENTITY)
        files_reply_add(reply, SPAN("content-encoding"), http_coding_name(choice->coding));
    if (choice->vary)
        files_reply_add(reply, SPAN("vary"), SPAN("accept-encoding"));
    if (tags->modified >= 0)
        files_reply_add(reply, SPAN("last-modified"), span_of(tags->last_modified, HTTP_DATE_SIZE));
    files_reply_add(reply, SPAN("etag"), etag_of(tags));
    if (choice->ranges)
        files_reply_add(reply, SPAN("accept-ranges"), SPAN("bytes"));
    return true;
}

static struct file_part *new_parts(const struct files_request *q, unsigned count)
{
    return arena_alloc(&q->x->arena, count * sizeof(struct file_part));
}

static struct http_body *whole_body(const struct files_request *q, struct file_choice *choice)
{
    if (choice->compress)
        return files_body_compress(q, &choice->source, choice->size, choice->coding);
    if (choice->source.file)
        return files_body_memory(q, choice->source.file, choice->source.bytes,
                                 (size_t)choice->size);
    struct file_part *part = new_parts(q, 1);
    if (part)
        *part = (struct file_part){.left = choice->size};
    return files_body_parts(q, &choice->source, part, 1);
}

static void send_whole(const struct files_request *q, struct file_choice *choice)
{
    struct files_reply reply;

    files_reply_begin(q, &reply, 200);
    bool broken = !add_fields(q, &reply, choice, choice->content_type);
    reply.response.content_length = choice->compress ? -1 : choice->size;
    if (q->x->request.method == HTTP_HEAD || broken) {
        file_source_close(&choice->source);
    } else {
        reply.body = whole_body(q, choice);
        broken = !reply.body;
    }
    files_reply_send(q, &reply, broken);
}

static void send_not_modified(const struct files_request *q, struct file_choice *choice)
{
    const struct file_tags *tags = keep_tags(q, choice->tags);
    struct files_reply reply;

    file_source_close(&choice->source);
    files_reply_begin(q, &reply, 304);
    if (choice->vary)
        files_reply_add(&reply, SPAN("vary"), SPAN("accept-encoding"));
    if (tags)
        files_reply_add(&reply, SPAN("etag"), etag_of(tags));
    files_reply_send(q, &reply, !tags);
}

static struct span content_range(const struct files_request *q, struct http_range range,
                                 int64_t size)
{
    return arena_printf(&q->x->arena, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range.first,
                        range.last, size);
}

static void send_one_part(const struct files_request *q, struct file_choice *choice,
                          struct http_range range)
{
    struct span said = content_range(q, range, choice->size);
    struct file_part *part = new_parts(q, 1);
    struct files_reply reply;

    files_reply_begin(q, &reply, 206);
    bool broken = !add_fields(q, &reply, choice, choice->content_type) || !said.ptr;
    files_reply_add(&reply, SPAN("content-range"), said);
    reply.response.content_length = range.last - range.first + 1;
    if (part)
        *part = (struct file_part){.at = range.first, .left = reply.response.content_length};
    reply.body = files_body_parts(q, &choice->source, part, 1);
    files_reply_send(q, &reply, broken || !reply.body);
}

/* Parts with their heads, and a closing line as a last part. @return the sum of bytes, or -1 */
static int64_t lay_out(const struct files_request *q, const struct file_choice *choice,
                       const struct http_ranges *ranges, struct span boundary,
                       struct file_part *parts)
{
    int64_t sum = 0;

    for (unsigned i = 0; i <= ranges->count; i++) {
        const char *before = i ? "\r\n" : "";
        parts[i] = (struct file_part){0};
        if (i == ranges->count) {
            parts[i].head =
                arena_printf(&q->x->arena, "%s--%.*s--\r\n", before, SPAN_ARGS(boundary));
        } else {
            struct http_range range = ranges->items[i];
            parts[i].at = range.first;
            parts[i].left = range.last - range.first + 1;
            parts[i].head =
                arena_printf(&q->x->arena,
                             "%s--%.*s\r\ncontent-type: %.*s\r\ncontent-range: bytes %" PRId64
                             "-%" PRId64 "/%" PRId64 "\r\n\r\n",
                             before, SPAN_ARGS(boundary), SPAN_ARGS(choice->content_type),
                             range.first, range.last, choice->size);
        }
        if (!parts[i].head.ptr)
            return -1;
        sum += (int64_t)parts[i].head.len + parts[i].left;
    }
    return sum;
}

/* RFC 9110 section 14.6. The boundary is a keyed hash, so that no file can hold it on purpose. */
static void send_many_parts(const struct files_request *q, struct file_choice *choice,
                            const struct http_ranges *ranges)
{
    uint64_t words[] = {q->x->id, (uint64_t)q->now};
    struct span text = span_of((const char *)words, sizeof words);
    struct span boundary =
        arena_printf(&q->x->arena, "%016" PRIx64, hash_bytes(text, q->files->secret));
    struct span type =
        arena_printf(&q->x->arena, "multipart/byteranges; boundary=%.*s", SPAN_ARGS(boundary));
    struct file_part *parts = new_parts(q, ranges->count + 1);
    struct files_reply reply;

    files_reply_begin(q, &reply, 206);
    bool broken = !boundary.ptr || !type.ptr || !parts || !add_fields(q, &reply, choice, type);
    if (!broken)
        reply.response.content_length = lay_out(q, choice, ranges, boundary, parts);
    broken = broken || reply.response.content_length < 0;
    reply.body = files_body_parts(q, &choice->source, broken ? NULL : parts, ranges->count + 1);
    files_reply_send(q, &reply, broken || !reply.body);
}

static void send_unsatisfiable(const struct files_request *q, struct file_choice *choice)
{
    struct span said = arena_printf(&q->x->arena, "bytes */%" PRId64, choice->size);
    struct http_field extra = {SPAN("content-range"), said};

    file_source_close(&choice->source);
    request_fail_with(q->r, 416, NULL, said.ptr ? &extra : NULL);
}

/* One Range field that may be obeyed. */
static bool has_range(const struct files_request *q, const struct file_choice *choice,
                      struct span *ret_value)
{
    unsigned bit = 1u << HTTP_ASK_RANGE;

    if (likely(!(q->asks.present & bit)) || q->asks.repeated & bit || !choice->ranges ||
        q->x->request.method != HTTP_GET)
        return false;
    *ret_value = q->asks.fields->items[q->asks.first[HTTP_ASK_RANGE]].value;
    return true;
}

static void send_asked(const struct files_request *q, struct file_choice *choice)
{
    struct http_ranges ranges;
    struct span value;

    if (likely(!has_range(q, choice, &value))) {
        send_whole(q, choice);
        return;
    }
    switch (http_ranges_parse(value, choice->size, &ranges)) {
    case HTTP_RANGE_IGNORE:
        send_whole(q, choice);
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        send_unsatisfiable(q, choice);
        break;
    case HTTP_RANGE_PARTIAL:
        if (ranges.count == 1)
            send_one_part(q, choice, ranges.items[0]);
        else
            send_many_parts(q, choice, &ranges);
        break;
    }
}

void files_send(const struct files_request *q, struct file_choice *choice)
{
    const struct http_validators validators = {etag_of(choice->tags), choice->tags->modified};

    switch (http_conditions(&q->asks, &validators, true, q->wall / NSEC_PER_SEC)) {
    case HTTP_CONDITION_GO_ON:
        send_asked(q, choice);
        break;
    case HTTP_CONDITION_NO_RANGE:
        send_whole(q, choice);
        break;
    case HTTP_CONDITION_NOT_MODIFIED:
        send_not_modified(q, choice);
        break;
    case HTTP_CONDITION_FAILED:
        file_source_close(&choice->source);
        request_fail(q->r, 412, NULL);
        break;
    }
}
