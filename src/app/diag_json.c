/* Diags to JSON and back. Printing them for people is cli/'s. */
#include "app/diag_json.h"

static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value;

    if (!text)
        return;
    /* A file may hold bytes that are not UTF-8: then they stand one a character. */
    value = json_string(text);
    if (!value) {
        char plain[512];
        size_t len = 0;
        for (; text[len] && len < sizeof plain - 1; len++)
            plain[len] = (unsigned char)text[len] < 0x80 ? text[len] : '?';
        value = json_stringn(plain, len);
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
        if (json_is_true(json_object_get(object, "warning")))
            diags_warning(diags, diag);
    }
}
