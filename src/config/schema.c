/* JSON Schema (draft 2020-12) from rows, for editors. It says less than decode.c checks: what a
 * feature's own check() refuses is not in it. */
#include <jansson.h>
#include <stdlib.h>

#include "config/rows.h"
#include "config/values.h"

static json_t *rows_schema(const struct config_row *rows);

/** Jansson fails only for want of memory here. */
static json_t *sure(json_t *json)
{
    if (!json)
        abort();
    return json;
}

static void put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, sure(value)) < 0)
        abort();
}

static json_t *add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, sure(value)) < 0)
        abort();
    return array;
}

static json_t *any_of(json_t *first, json_t *second)
{
    json_t *array = add(add(sure(json_array()), first), second);

    return sure(json_pack("{s:o}", "anyOf", array));
}

static json_t *or_else(json_t *choice, json_t *more)
{
    add(json_object_get(choice, "anyOf"), more);
    return choice;
}

/** ${NAME} may stand for any value. */
static json_t *environment(void)
{
    return sure(json_pack("{s:s}", "$ref", "#/$defs/environment"));
}

static json_t *scalar_text(void)
{
    return sure(json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean"));
}

static json_t *whole_number(const struct config_row *row)
{
    json_t *json = sure(json_pack("{s:s}", "type", "integer"));
    bool ranged = row->min || row->max;

    if (row->type == CONFIG_SIZE && !ranged)
        put(json, "minimum", json_integer(0));
    if (ranged && row->min != INT64_MIN)
        put(json, "minimum", json_integer(row->min));
    if (ranged && row->max != INT64_MAX)
        put(json, "maximum", json_integer(row->max));
    return json;
}

static json_t *pattern(const char *text)
{
    return sure(json_pack("{s:s,s:s}", "type", "string", "pattern", text));
}

static json_t *choices(const char *const *words)
{
    json_t *array = sure(json_array());

    for (; *words; words++)
        add(array, json_string(*words));
    return sure(json_pack("{s:o}", "enum", array));
}

/** A list of such items, or one alone. */
static json_t *list_or_one(const struct config_row *row, json_t *item)
{
    json_t *list = sure(json_pack("{s:s,s:O}", "type", "array", "items", item));

    if (row->min > 0)
        put(list, "minItems", json_integer(row->min));
    if (row->max > 0)
        put(list, "maxItems", json_integer(row->max));
    return any_of(item, list);
}

static json_t *value_schema(const struct config_row *row);

/** The struct of a TABLE, OPTIONAL or one item of a LIST. */
static json_t *struct_schema(const struct config_row *row)
{
    json_t *object = rows_schema(row->rows);
    const struct config_row *scalar = row->scalar ? row_find(row->rows, row->scalar) : NULL;

    if (row->type == CONFIG_TABLE)
        put(object, "type", json_pack("[s,s]", "object", "null"));
    return scalar ? any_of(value_schema(scalar), object) : object;
}

static json_t *value_schema(const struct config_row *row)
{
    static const char *const flags[] = {"on", "off", "yes", "no", NULL};

    switch (row->type) {
    case CONFIG_BOOL:
        return or_else(any_of(sure(json_pack("{s:s}", "type", "boolean")), choices(flags)),
                       environment());
    case CONFIG_INT:
        return any_of(whole_number(row), environment());
    case CONFIG_SIZE:
        return or_else(any_of(whole_number(row), pattern(VALUE_SIZE_PATTERN)), environment());
    case CONFIG_DURATION:
        return or_else(
            any_of(sure(json_pack("{s:i}", "const", 0)), pattern(VALUE_DURATION_PATTERN)),
            environment());
    case CONFIG_ENUM:
        return any_of(choices(row->choices), environment());
    case CONFIG_STRINGS:
    case CONFIG_PATHS:
        return list_or_one(row, scalar_text());
    case CONFIG_PAIRS:
        return sure(json_pack("{s:[s,s],s:o}", "type", "object", "null", "additionalProperties",
                              scalar_text()));
    case CONFIG_TABLE:
    case CONFIG_OPTIONAL:
        return struct_schema(row);
    case CONFIG_LIST:
        return list_or_one(row, struct_schema(row));
    case CONFIG_NAMED:
        return sure(
            json_pack("{s:s,s:o}", "type", "object", "additionalProperties", struct_schema(row)));
    default:
        return scalar_text();
    }
}

/** A default or example as JSON. */
static json_t *default_json(const struct config_row *row)
{
    struct row_default value;

    row_default_init(&value, row);
    char *text = row_flatten(row, value.node);
    json_t *json = sure(json_loads(text, JSON_DECODE_ANY, NULL));
    free(text);
    row_default_finish(&value);
    return json;
}

static json_t *row_schema(const struct config_row *row)
{
    json_t *json = value_schema(row);

    if (row->help)
        put(json, "description", json_string(row->help));
    if (row->def)
        put(json, "default", default_json(row));
    if (row->example)
        put(json, "examples", json_pack("[s]", row->example));
    return json;
}

static json_t *rows_schema(const struct config_row *rows)
{
    json_t *properties = sure(json_object());
    json_t *required = sure(json_array());
    json_t *json = sure(json_pack("{s:s,s:b,s:O}", "type", "object", "additionalProperties", 0,
                                  "properties", properties));

    for (const struct config_row *row = rows; row->name; row++) {
        put(properties, row->name, row_schema(row));
        if (row->required)
            add(required, json_string(row->name));
    }
    json_decref(properties);
    if (json_array_size(required))
        put(json, "required", json_incref(required));
    json_decref(required);
    return json;
}

char *config_schema(const struct config_row *rows, const char *title)
{
    const struct config_row paths = {.type = CONFIG_PATHS};
    json_t *json = sure(json_pack("{s:s,s:s}", "$schema",
                                  "https://json-schema.org/draft/2020-12/schema", "title", title));
    json_t *body = rows_schema(rows);
    json_t *include = value_schema(&paths);

    put(include, "description",
        json_string("more files to read, against the folder of this one; patterns such as "
                    "conf.d/*.yaml are understood"));
    put(json_object_get(body, "properties"), "include", include);
    json_object_del(body, "required"); /* one file of several need not have it */
    if (json_object_update(json, body) < 0)
        abort();
    put(json, "$defs", json_pack("{s:o}", "environment", pattern("\\$\\{[A-Za-z_]")));
    json_decref(body);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    if (!text)
        abort();
    return text;
}
