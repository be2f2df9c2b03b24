/* JSON bodies, read by yajl: each scalar becomes an argument whose name is its way from the top,
 * "json.a.array_0". */
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#include "base/mem.h"
#include "protect/waf/transaction.h"

enum { DEPTH_MAX = 512 };

/** One open object or array. */
struct level {
    size_t path; /* length of the path before it */
    bool array;
    unsigned index; /* of the next member of an array */
};

struct reading {
    struct waf_transaction *t;
    struct level levels[DEPTH_MAX];
    unsigned depth;
    char path[1024];
    size_t path_len;
    const char *why; /* what went wrong, or NULL */
};

static void extend_path(struct reading *reading, struct span part)
{
    int n = snprintf(reading->path + reading->path_len, sizeof reading->path - reading->path_len,
                     "%s%.*s", reading->path_len ? "." : "", SPAN_ARGS(part));
    size_t room = sizeof reading->path - reading->path_len - 1;

    if (n > 0)
        reading->path_len += (size_t)n < room ? (size_t)n : room;
}

/** The name of an array's next member. */
static void begin_value(struct reading *reading)
{
    struct level *level = reading->depth ? &reading->levels[reading->depth - 1] : NULL;
    char text[24];

    if (!level || !level->array)
        return;
    reading->path_len = level->path;
    snprintf(text, sizeof text, "array_%u", level->index++);
    extend_path(reading, span_str(text));
}

static int add_value(struct reading *reading, struct span value)
{
    struct waf_transaction *t = reading->t;

    begin_value(reading);
    if (t->args_get.count + t->args_post.count >= t->rules->arguments_max) {
        reading->why = "too many arguments";
        return 0;
    }
    struct span name = waf_copy(t, span_of(reading->path, reading->path_len));
    value = waf_copy(t, value);
    t->arguments_combined += (unsigned)(name.len + value.len);
    waf_add(t, &t->args_post, name, value);
    return 1;
}

static int on_null(void *context)
{
    return add_value(context, SPAN(""));
}

static int on_boolean(void *context, int value)
{
    return add_value(context, value ? SPAN("true") : SPAN("false"));
}

static int on_number(void *context, const char *text, size_t len)
{
    return add_value(context, span_of(text, len));
}

static int on_string(void *context, const unsigned char *text, size_t len)
{
    return add_value(context, span_of((const char *)text, len));
}

static int open_level(struct reading *reading, bool array)
{
    begin_value(reading);
    if (reading->depth == DEPTH_MAX) {
        reading->why = "the JSON is too deep";
        return 0;
    }
    reading->levels[reading->depth++] = (struct level){reading->path_len, array, 0};
    return 1;
}

static int close_level(void *context)
{
    struct reading *reading = context;

    reading->path_len = reading->levels[--reading->depth].path;
    return 1;
}

static int on_object(void *context)
{
    return open_level(context, false);
}

static int on_array(void *context)
{
    return open_level(context, true);
}

static int on_key(void *context, const unsigned char *text, size_t len)
{
    struct reading *reading = context;

    reading->path_len = reading->levels[reading->depth - 1].path;
    extend_path(reading, span_of((const char *)text, len));
    return 1;
}

void waf_read_json(struct waf_transaction *t, struct span body)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_object,
        .yajl_map_key = on_key,
        .yajl_end_map = close_level,
        .yajl_start_array = on_array,
        .yajl_end_array = close_level,
    };
    struct reading *reading = mem_new(struct reading);

    reading->t = t;
    reading->path_len = (size_t)snprintf(reading->path, sizeof reading->path, "json");
    yajl_handle handle = yajl_alloc(&callbacks, NULL, reading);
    if (!handle)
        abort(); /* no memory */
    yajl_config(handle, yajl_allow_partial_values, 0);
    yajl_status status = yajl_parse(handle, (const unsigned char *)body.ptr, body.len);
    if (status == yajl_status_ok)
        status = yajl_complete_parse(handle);
    if (status != yajl_status_ok)
        waf_body_error(t, reading->why ? reading->why : "the JSON is malformed");
    yajl_free(handle);
    free(reading);
}
