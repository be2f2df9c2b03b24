/* Media types of one folder: what its settings say goes before the table of media_type.c. */
#include <stdlib.h>

#include "base/mem.h"
#include "serve/files/media_type.h"

static const struct span charset_utf8 = SPAN(MEDIA_TYPE_UTF8);

struct media_types {
    struct media_type *rows; /* `extension` is ".ext" or "path"; strings are owned */
    size_t count;
    size_t paths; /* how many of them are paths: the first ones */
};

const char *media_types_key_wrong(const char *key)
{
    struct span text = span_str(key);

    if (text.len > 1 && text.ptr[0] == '/' && text.ptr[text.len - 1] != '/')
        return NULL;
    if (text.len > 1 && text.len <= MEDIA_TYPE_EXTENSION_MAX + 1 && text.ptr[0] == '.' &&
        span_find(span_from(text, 1), '.') < 0 && span_find(text, '/') < 0)
        return NULL;
    return "is neither an extension such as .wasm nor the path of a file such as /feed";
}

const char *media_types_value_wrong(const char *value)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$&-^_.+";
    size_t type = strspn(value, letters), subtype;

    if (type == 0 || value[type] != '/')
        return "is no media type such as application/json";
    subtype = strspn(value + type + 1, letters);
    if (subtype == 0 || (value[type + 1 + subtype] && value[type + 1 + subtype] != ';'))
        return "is no media type such as application/json";
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            return "has characters that no media type has";
    return NULL;
}

const char *media_types_charset_wrong(const char *charset)
{
    size_t len = strlen(charset);

    return len && len <= 40 &&
                   strspn(charset,
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+") ==
                       len
               ? NULL
               : "is no name of a charset such as utf-8 or iso-8859-1, nor auto or off";
}

static void add_row(struct media_types *types, const char *name, const char *value)
{
    struct span owned = span_str(mem_string(span_str(value)));

    types->rows = mem_resize(types->rows, types->count + 1, sizeof *types->rows);
    types->rows[types->count++] = (struct media_type){span_str(mem_string(span_str(name))), owned,
                                                      media_type_compressible(owned), true};
}

/* Text of the table with another charset than its own, or none. */
static void add_charset(struct media_types *types, const char *charset)
{
    bool off = strcmp(charset, "off") == 0;
    size_t count;
    const struct media_type *table = media_type_table(&count);

    for (size_t i = 0; i < count; i++) {
        struct span value = table[i].value;
        if (!span_ends(value, charset_utf8))
            continue;
        value.len -= charset_utf8.len;
        scoped(mem_release) char *name = mem_format(".%.*s", SPAN_ARGS(table[i].extension));
        scoped(mem_release) char *text =
            mem_format("%.*s%s%s", SPAN_ARGS(value), off ? "" : "; charset=", off ? "" : charset);
        add_row(types, name, text);
    }
}

struct media_types *media_types_create(const struct config_pairs *given, const char *charset)
{
    struct media_types *types = mem_new(struct media_types);

    for (size_t i = 0; i < given->count; i++)
        if (given->items[i].key[0] == '/')
            add_row(types, given->items[i].key + 1, given->items[i].value);
    types->paths = types->count;
    for (size_t i = 0; i < given->count; i++)
        if (given->items[i].key[0] == '.')
            add_row(types, given->items[i].key, given->items[i].value);
    if (charset && strcmp(charset, "auto") != 0)
        add_charset(types, charset);
    return types;
}

void media_types_destroy(struct media_types *types)
{
    for (size_t i = 0; types && i < types->count; i++) {
        free((char *)(uintptr_t)types->rows[i].extension.ptr);
        free((char *)(uintptr_t)types->rows[i].value.ptr);
    }
    if (types)
        free(types->rows);
    free(types);
}

/* @return NULL where the settings say nothing */
static const struct media_type *find_own(const struct media_types *types, struct span path)
{
    path = media_type_path(path);
    ptrdiff_t slash = span_find_last(path, '/');
    struct span name = span_from(path, (size_t)(slash + 1));
    ptrdiff_t dot = span_find_last(name, '.');

    for (size_t i = 0; i < types->paths; i++)
        if (span_equal(path, types->rows[i].extension))
            return &types->rows[i];
    for (size_t i = types->paths; dot > 0 && i < types->count; i++)
        if (span_equal_nocase(span_from(name, (size_t)dot), types->rows[i].extension))
            return &types->rows[i];
    return NULL;
}

const struct media_type *media_types_find(const struct media_types *types, struct span path)
{
    const struct media_type *own = find_own(types, path);

    return own ? own : media_type_of(path);
}

bool media_types_know(const struct media_types *types, struct span path)
{
    return find_own(types, path) || media_type_known(path);
}
