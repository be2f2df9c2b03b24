/* Reading settings: decoding into one form, overrides, and defaults that depend on who runs us.
 * Checks across values are settings_check.c's. */
#include "app/settings.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/idn.h"
#include "os/process.h"
#include "os/state.h"

/* ---- decoding ---- */

/* In ASCII, lower case, without a final dot; an IPv6 address as RFC 5952 writes it: that is how
 * sites are looked up. An international name that is none stays as it is, for settings_check(). */
static char *normalise_name(char *name)
{
    char text[INET6_ADDRSTRLEN], *ascii;
    struct in6_addr address;

    if (idn_is_international(name) && idn_to_ascii(name, &ascii) >= 0) {
        free(name);
        name = ascii;
    }
    size_t len = strlen(name);
    if (inet_pton(AF_INET6, name, &address) == 1 &&
        inet_ntop(AF_INET6, &address, text, sizeof text)) {
        free(name);
        return mem_string(span_str(text));
    }
    for (size_t i = 0; i < len; i++)
        name[i] = ascii_lower(name[i]);
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    return name;
}

static void drop_off(struct config_strings *strings)
{
    if (strings->count != 1 || strcmp(strings->items[0], "off") != 0)
        return;
    free(strings->items[0]);
    strings->count = 0;
}

/* One form for what may be written in two. */
static void normalise(struct settings *settings)
{
    struct settings_site *sites = settings_sites(settings);

    drop_off(&settings->listen.https);
    drop_off(&settings->listen.http);
    for (size_t i = 0; i < settings->sites.count; i++) {
        struct settings_site *site = &sites[i];
        for (size_t n = 0; n < site->names.count; n++)
            site->names.items[n] = normalise_name(site->names.items[n]);
        if (site->fallback && site->files && !site->files->fallback)
            site->files->fallback = take(site->fallback);
    }
}

int settings_decode(const struct config_tree *tree, struct diags *diags,
                    struct settings **ret_settings)
{
    struct settings *settings = mem_new(struct settings);
    int r = config_decode(tree, settings_rows, settings, diags);

    normalise(settings);
    *ret_settings = settings;
    return r;
}

void settings_destroy(struct settings *settings)
{
    if (!settings)
        return;
    config_release(settings_rows, settings);
    free(settings);
}

int settings_parse(struct span text, struct settings **ret_settings)
{
    struct diags diags = {0};
    struct config_tree *tree = NULL;
    struct settings *settings = NULL;
    int r = config_parse(text, "settings", "/", true, &diags, &tree);

    if (r >= 0)
        r = settings_decode(tree, &diags, &settings);
    config_tree_destroy(tree);
    diags_finish(&diags);
    if (r < 0) {
        settings_destroy(settings);
        return ERR_SETTINGS;
    }
    *ret_settings = settings;
    return 0;
}

/* ---- folders ---- */

static void add_folder(struct settings_folder **folders, size_t *count,
                       const struct settings_folder *folder)
{
    if (!folder->files || !folder->files->root)
        return;
    if ((*count & (*count - 1)) == 0)
        *folders = mem_resize(*folders, *count ? *count * 2 : 1, sizeof **folders);
    (*folders)[(*count)++] = *folder;
}

struct settings_folder *settings_folders(const struct settings *settings, size_t *ret_count)
{
    struct settings_folder *folders = NULL;
    size_t count = 0;

    for (size_t i = 0; i < settings->sites.count; i++) {
        const struct settings_site *site = &settings_sites(settings)[i];
        add_folder(&folders, &count, &(struct settings_folder){site->files, i, -1});
        for (size_t k = 0; k < site->routes.count; k++)
            add_folder(&folders, &count,
                       &(struct settings_folder){settings_routes(site)[k].files, i, (int)k});
    }
    *ret_count = count;
    return folders;
}

/* ---- loading ---- */

/* Lays one JSON object over another: tables key by key, anything else replaces. */
static void overlay(json_t *base, json_t *over)
{
    const char *key;
    json_t *value;

    json_object_foreach(over, key, value)
    {
        json_t *old = json_object_get(base, key);
        if (json_is_object(old) && json_is_object(value))
            overlay(old, value);
        else
            json_object_set(base, key, value);
    }
}

/* A tree with overrides laid over it. */
static int override_tree(const struct config_tree *tree, const char *overrides, struct diags *diags,
                         struct config_tree **ret_tree)
{
    scoped(mem_release) char *flat = config_tree_flatten(tree, settings_rows);
    json_t *base = json_loads(flat, 0, NULL), *over = json_loads(overrides, 0, NULL);
    int r = ERR_SETTINGS;

    if (json_is_object(base) && json_is_object(over)) {
        overlay(base, over);
        scoped(mem_release) char *text = json_dumps(base, JSON_COMPACT);
        r = config_parse(span_str(text), DIAG_COMMAND_LINE, "/", true, diags, ret_tree);
    }
    json_decref(base);
    json_decref(over);
    return r;
}

static int read_tree(const struct settings_source *source, struct diags *diags,
                     struct config_tree **ret_tree)
{
    if (source->path)
        return config_load(source->path, diags, ret_tree);
    return config_parse(span_str(source->text), DIAG_COMMAND_LINE, "/", true, diags, ret_tree);
}

int settings_load(const struct settings_source *source, struct diags *diags,
                  struct settings_loaded *ret_loaded)
{
    struct config_tree *laid = NULL;

    *ret_loaded = (struct settings_loaded){NULL};
    int r = read_tree(source, diags, &ret_loaded->tree);
    if (r < 0)
        return r;
    const struct config_tree *tree = ret_loaded->tree;
    r = settings_decode(tree, diags, &ret_loaded->settings);
    settings_check(tree, ret_loaded->settings, diags);
    if (r >= 0 && source->overrides) {
        settings_destroy(take(ret_loaded->settings));
        r = override_tree(tree, source->overrides, diags, &laid);
        if (r >= 0)
            r = settings_decode(laid, diags, &ret_loaded->settings);
    }
    if (r >= 0)
        ret_loaded->text = config_tree_flatten(laid ? laid : tree, settings_rows);
    config_tree_destroy(laid);
    return r < 0 ? r : diags->errors ? ERR_SETTINGS : 0;
}

void settings_loaded_finish(struct settings_loaded *loaded)
{
    config_tree_destroy(loaded->tree);
    settings_destroy(loaded->settings);
    free(loaded->text);
    *loaded = (struct settings_loaded){NULL};
}

/* ---- defaults that depend on who runs us ---- */

char *settings_access_log(const struct settings *settings, const char *state)
{
    if (settings->logs.access)
        return mem_string(span_str(settings->logs.access));
    if (geteuid() == 0 && strcmp(state, STATE_OF_ROOT) == 0)
        return mem_string(SPAN("/var/log/gardien/access.log"));
    return mem_format("%s/access.log", state);
}

unsigned settings_workers(const struct settings *settings)
{
    return settings->workers > 0 ? (unsigned)settings->workers : process_cpus();
}

int settings_default_site(const struct settings *settings)
{
    const struct settings_site *sites = settings_sites(settings);

    for (size_t i = 0; i < settings->sites.count; i++)
        if (sites[i].is_default)
            return (int)i;
    return settings->sites.count ? 0 : -1;
}
