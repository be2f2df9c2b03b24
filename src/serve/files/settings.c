/* The schema of `files:` and the checks that rows cannot make. What the settings do is said by
 * their help. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "serve/files/files.h"
#include "serve/files/media_type.h"
#include "serve/files/open.h"

static const char *check_index(const char *value)
{
    if (!*value || strchr(value, '/') || *value == '.')
        return "is not a plain file name";
    return NULL;
}

static const char *check_inner_path(const char *value)
{
    struct span path = span_str(value), resolved;
    struct arena none;
    char nothing[1];

    arena_init(&none, nothing, 0, 0);
    if (*value != '/' || strchr(value, '%') || http_path_resolve(&none, path, &resolved) < 0)
        return "is not a path beneath the root such as /index.html";
    return NULL;
}

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const struct config_row cache_rows[] = {
    {.name = "max_file_size",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct files_cache_settings, max_file_size),
     .max = 64 * MIB,
     .def = "256KiB",
     .help = "Files up to this size are kept in memory; 0 keeps none."},
    {.name = "total",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct files_cache_settings, total),
     .max = 1024 * GIB,
     .def = "64MiB",
     .help = "Most memory for files of this folder in each worker."},
    {.name = "staleness",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct files_cache_settings, staleness),
     .max = 3600 * NSEC_PER_SEC,
     .def = "100ms",
     .help = "A file in memory is looked at again on disk after this time."},
    CONFIG_END,
};

const struct config_row files_rows[] = {
    {.name = "root",
     .type = CONFIG_PATH,
     .offset = offsetof(struct files_settings, root),
     .required = true,
     .help = "The folder to serve. Nothing outside of it is ever opened.",
     .example = "/srv/www"},
    {.name = "index",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct files_settings, index),
     .max = 16,
     .def = "[index.html]",
     .help = "Files that answer for a folder, the first that exists.",
     .check = check_index},
    {.name = "listing",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct files_settings, listing),
     .def = "false",
     .help = "List the files of a folder that has no index file."},
    {.name = "fallback",
     .type = CONFIG_STRING,
     .offset = offsetof(struct files_settings, fallback),
     .help = "A file that answers, with 200, for pages that do not exist: for single-page "
             "applications. Missing scripts, images and the like stay 404.",
     .check = check_inner_path,
     .example = "/index.html"},
    {.name = "error_pages",
     .type = CONFIG_PAIRS,
     .offset = offsetof(struct files_settings, error_pages),
     .help = "Own pages for errors: a status or a class such as 4xx, and a path beneath the root.",
     .example = "{404: /404.html, 5xx: /sorry.html}"},
    {.name = "precompressed",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct files_settings, precompressed),
     .def = "true",
     .help = "Send page.html.zst, page.html.br or page.html.gz for page.html where a client takes "
             "it and it is not older."},
    {.name = "dot_files",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct files_settings, dot_files),
     .def = "false",
     .help = "Serve names that begin with a dot. Those beneath /.well-known/ always are."},
    {.name = "types",
     .type = CONFIG_PAIRS,
     .offset = offsetof(struct files_settings, types),
     .help = "Media types by extension or by the path of one file, sent as they are written. They "
             "go before those that gardien knows.",
     .example = "{.foo: text/x-foo, /feed: application/atom+xml}"},
    {.name = "charset",
     .type = CONFIG_STRING,
     .offset = offsetof(struct files_settings, charset),
     .def = "auto",
     .off = true,
     .check = media_types_charset_wrong,
     .help = "The charset of text files: auto says utf-8 where a file (or the first 4 KiB of a "
             "large one) is UTF-8, and nothing else; off says nothing.",
     .example = "iso-8859-1"},
    {.name = "private_keys",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct files_settings, private_keys),
     .def = "false",
     .help = "Serve files that begin as a private key (PEM, PKCS#8, PKCS#1, EC, PuTTY). The keys "
             "in use and the state folder never are."},
    {.name = "compress",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct files_settings, compress),
     .help = "Compression of what was not packed beforehand. `off` turns it off.",
     .rows = compress_rows,
     .scalar = "enabled"},
    {.name = "cache",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct files_settings, cache),
     .help = "Small hot files in memory.",
     .rows = cache_rows},
    CONFIG_END,
};

/* "404" or "4xx", of errors only. */
static bool is_status(const char *key)
{
    if (strlen(key) != 3 || (key[0] != '4' && key[0] != '5'))
        return false;
    if (strcmp(key + 1, "xx") == 0)
        return true;
    return key[1] >= '0' && key[1] <= '9' && key[2] >= '0' && key[2] <= '9';
}

static void check_type(const struct config_pair *pair, const struct config_tree *tree,
                       const char *path, struct diags *diags)
{
    const char *wrong = media_types_key_wrong(pair->key);
    char where[512];

    snprintf(where, sizeof where, "%s.types.%s", path, pair->key);
    if (wrong)
        config_complain(tree, diags, where, "'%s' %s", pair->key, wrong);
    wrong = media_types_value_wrong(pair->value);
    if (wrong)
        config_complain(tree, diags, where, "'%s' %s", pair->value, wrong);
}

void files_check(const struct files_settings *settings, const struct config_tree *tree,
                 const char *path, struct diags *diags)
{
    for (size_t i = 0; i < settings->error_pages.count; i++) {
        const struct config_pair *page = &settings->error_pages.items[i];
        char where[512];
        snprintf(where, sizeof where, "%s.error_pages.%s", path, page->key);
        if (!is_status(page->key))
            diag_hint(config_complain(tree, diags, where,
                                      "'%s' is neither an error's status nor a class of them",
                                      page->key),
                      "write a status such as 404, or 4xx or 5xx");
        const char *wrong = check_inner_path(page->value);
        if (wrong)
            config_complain(tree, diags, where, "'%s' %s", page->value, wrong);
    }
    for (size_t i = 0; i < settings->types.count; i++)
        check_type(&settings->types.items[i], tree, path, diags);
}

const char *files_page_wrong(const struct files_settings *settings, const char *page)
{
    struct file_path path;
    struct opened_file file;
    bool left = false;
    int root = settings->root ? open(settings->root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

    /* What is wrong with the folder, or with the path as such, is told elsewhere. */
    if (root < 0 || check_inner_path(page) || file_path_set(&path, span_str(page)) < 0) {
        if (root >= 0)
            close(root);
        return NULL;
    }
    int r = file_open(root, &path, O_PATH, &file, &left);
    close(root);
    if (r < 0)
        return left           ? "leads out of the folder"
               : r == -ENOENT ? "does not exist"
                              : "cannot be opened";
    opened_file_close(&file);
    return file.kind == FILE_REGULAR ? NULL : "is no ordinary file";
}

int files_root_check(int root_fd)
{
    struct file_path path;
    struct opened_file file;

    int r = file_path_set(&path, SPAN("/"));
    if (r >= 0)
        r = file_open(root_fd, &path, O_PATH, &file, NULL);
    if (r >= 0)
        opened_file_close(&file);
    return r;
}
