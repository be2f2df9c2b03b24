/* Diags to JSON and back. Printing them for people is cli/'s. */
#include "app/diag_json.h"

#include "base/escape.h"
#include "base/mem.h"

static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value;

    if (!text)
        return;
    value = json_string(text);
    if (!value) { /* bytes of a file that are not UTF-8: one "?" each, so that columns stay true */
        scoped(mem_release) char *plain = mem_string(span_str(text));
        for (size_t i = 0, len; plain[i]; i += len) {
            len = utf8_length(span_str(plain + i));
            if (len == 0) {
                plain[i] = '?';
                len = 1;
            }
        }
        value = json_string(plain);
    }
    json_object_set_new(object, key, value);
}

json_t *diags_to_json(const struct diags *diags)
{
    json_t *list = json_array();

    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        json_t *object = json_object();
        set_text(object, "file", diag->file);
        if (diag->line) {
            json_object_set_new(object, "line", json_integer(diag->line));
            json_object_set_new(object, "column", json_integer(diag->column));
        }
        set_text(object, "text", diag->line_text);
        set_text(object, "sentence", diag->sentence);
        set_text(object, "hint", diag->hint);
        json_object_set_new(object, "warning", json_boolean(diag->warning));
        if (diag->alike)
            json_object_set_new(object, "alike", json_integer(diag->alike));
        json_array_append_new(list, object);
    }
    return list;
}

void diags_from_json(const json_t *json, struct diags *diags)
{
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *object = json_array_get(json, i);
        const char *sentence = json_string_value(json_object_get(object, "sentence"));
        const char *hint = json_string_value(json_object_get(object, "hint"));
        if (!sentence)
            continue;
        struct diag *diag = diags_add(diags, "%s", sentence);
        diag_place(diag, json_string_value(json_object_get(object, "file")),
                   (unsigned)json_integer_value(json_object_get(object, "line")),
                   (unsigned)json_integer_value(json_object_get(object, "column")),
                   json_string_value(json_object_get(object, "text")));
        if (hint)
            diag_hint(diag, "%s", hint);
        diag->alike = (unsigned)json_integer_value(json_object_get(object, "alike"));
        if (json_is_true(json_object_get(object, "warning")))
            diags_warning(diags, diag);
    }
}
