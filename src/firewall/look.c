/* The facts of a look. What gathers them is made for each system: look_linux.c, look_posix.c,
 * look_windows.c. */
#include "firewall/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"

enum { FILE_MAX = 1024 * 1024 };

char *look_file(const struct look *look, const char *path)
{
    scoped(mem_release) char *full = mem_format("%s%s", look->root ? look->root : "", path);
    struct buffer text = buffer_make(FILE_MAX);
    struct stat st;
    char bytes[4096];
    size_t n;
    /* Only a file is opened: a pipe would be waited for. */
    FILE *file = stat(full, &st) == 0 && S_ISREG(st.st_mode) ? fopen(full, "rb") : NULL;
    bool whole = file != NULL;

    while (whole && (n = fread(bytes, 1, sizeof bytes, file)) > 0)
        whole = buffer_append(&text, bytes, n) >= 0;
    whole = whole && !ferror(file);
    if (file)
        fclose(file);
    char *result = whole ? mem_string(buffer_span(&text)) : NULL;
    buffer_finish(&text);
    return result;
}

void look_finish(struct look *look)
{
    for (int flavour = 0; flavour < LOOK_XT_FLAVOURS; flavour++)
        for (int version = 0; version < 2; version++) {
            free(look->xt[flavour][version].filter);
            free(look->xt[flavour][version].nat);
        }
    json_decref(look->done);
    json_decref(look->firewalld);
    json_decref(look->ruleset);
    free(look->ruleset_text);
    policy_finish(&look->policy);
    pf_finish(&look->pf);
    free(look->root);
    *look = (struct look){0};
}

static bool is(const json_t *object, const char *key, const char *wanted)
{
    const char *value = json_string_value(json_object_get(object, key));

    return !wanted || (value && strcmp(value, wanted) == 0);
}

bool look_has_table(const struct look *look, const char *family, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(look->ruleset, i, item)
    {
        const json_t *table = json_object_get(item, "table");
        if (table && is(table, "family", family) && is(table, "name", name))
            return true;
    }
    return false;
}

bool look_has_chain(const struct look *look, const char *family, const char *table,
                    const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(look->ruleset, i, item)
    {
        const json_t *chain = json_object_get(item, "chain");
        if (chain && is(chain, "family", family) && is(chain, "table", table) &&
            is(chain, "name", name))
            return true;
    }
    return false;
}

bool look_has_firewalld(const struct look *look, enum look_flavour flavour)
{
    for (int version = 0; version < 2; version++) {
        const char *filter = look->xt[flavour][version].filter;
        /* Its chains' names up to version 1.3, and from 2 on. */
        if (look->firewalld_on_bus && filter &&
            (strstr(filter, "-N INPUT_ZONES\n") || strstr(filter, "-N INPUT_POLICIES\n")))
            return true;
    }
    return false;
}
