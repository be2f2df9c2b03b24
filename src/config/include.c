/* `include`: which files are meant, and how their settings join. Reading a file is load.c's. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/tree.h"

static void complain_twice(const struct node *first, const struct node *second, struct diags *diags)
{
    const char *kinds = first->kind == second->kind ? "" : " and in another form";

    diag_hint(key_complain(second, diags, "\"%s\" is set twice%s", second->key, kinds),
              "it is set first at %s:%u:%u; keep one of the two", first->source->name,
              first->key_line, first->key_column);
}

/** Joins two values of one key. */
static void merge_value(struct config_tree *tree, struct node *into, struct node *from,
                        struct diags *diags)
{
    if (from->null)
        return;
    if (into->null) {
        struct node *next = into->next;
        *into = *from;
        into->next = next;
    } else if (into->kind != from->kind || into->kind == NODE_SCALAR) {
        complain_twice(into, from, diags);
        tree->broken = true;
    } else if (into->kind == NODE_MAPPING) {
        include_merge(tree, into, from, diags);
    } else {
        for (struct node *item = from->first, *next; item; item = next) {
            next = item->next;
            item->next = NULL;
            node_append(into, item);
        }
    }
}

void include_merge(struct config_tree *tree, struct node *into, struct node *from,
                   struct diags *diags)
{
    struct node_index index = node_index(into);

    for (struct node *child = from->first, *next; child; child = next) {
        next = child->next;
        child->next = NULL;
        struct node *same = node_index_find(&index, child->key);
        if (same)
            merge_value(tree, same, child, diags);
        else
            node_append(into, child);
    }
    node_index_finish(&index);
}

/** The source that is this file already, or NULL. */
static const struct source *find_same(const struct config_tree *tree, const struct source *file)
{
    for (const struct source *at = tree->sources; at != file; at = at->next)
        if (at->inode == file->inode && at->device == file->device && at->inode)
            return at;
    return NULL;
}

static int include_file(struct config_tree *tree, struct node *root, const struct node *wanted,
                        const char *path, struct diags *diags)
{
    struct source *source;
    struct node *included;

    if (tree->source_count == TREE_FILES_MAX) {
        node_complain(wanted, diags, "more than %d files are included", TREE_FILES_MAX);
        return ERR_SETTINGS;
    }
    if (wanted->source->depth == TREE_INCLUDES_DEPTH) {
        node_complain(wanted, diags, "files include files more than %d levels deep",
                      TREE_INCLUDES_DEPTH);
        return ERR_SETTINGS;
    }
    int r = load_source(tree, path, &source);
    if (r < 0) {
        diag_hint(node_complain(wanted, diags, "cannot include %s: %s", path, load_error_text(r)),
                  "a path is meant against the folder of the file that includes it");
        return ERR_SETTINGS;
    }
    source->depth = wanted->source->depth + 1;
    const struct source *same = find_same(tree, source);
    if (same) {
        diag_hint(
            node_complain(wanted, diags, "%s is included a second time, or includes itself", path),
            "each file may be read once");
        return ERR_SETTINGS;
    }
    r = tree_parse(tree, source, diags, &included);
    if (r == 0 && included)
        r = root_check(included, diags);
    if (r < 0 || !included)
        return r;
    r = include_resolve(tree, included, diags);
    include_merge(tree, root, included, diags);
    return r;
}

/** `path` with what glob() would read in the folder's own name escaped. */
static char *glob_pattern(const char *dir, const char *path)
{
    char *escaped scoped(mem_release) = mem_alloc(2 * strlen(dir) + 1);
    char *out = escaped;

    for (const char *in = dir; *in; in++) {
        if (strchr("*?[]\\", *in))
            *out++ = '\\';
        *out++ = *in;
    }
    *out = '\0';
    return path_join(escaped, path);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int include_glob(struct config_tree *tree, struct node *root, const struct node *wanted,
                        struct diags *diags)
{
    char *pattern scoped(mem_release) = glob_pattern(wanted->source->dir, wanted->text);
    glob_t found = {0};
    int result = 0;
    int r = glob(pattern, GLOB_NOSORT, NULL, &found);

    if (r == GLOB_NOSPACE)
        abort();
    if (r == 0) /* not in the order of the locale */
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, compare_paths);
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
        int one = include_file(tree, root, wanted, found.gl_pathv[i], diags);
        result = result < 0 ? result : one;
    }
    globfree(&found);
    return result;
}

static int include_one(struct config_tree *tree, struct node *root, const struct node *wanted,
                       struct diags *diags)
{
    if (wanted->kind != NODE_SCALAR || wanted->null || (!wanted->broken && !*wanted->text)) {
        diag_hint(node_complain(wanted, diags, "include takes paths of files"),
                  "for example include: [conf.d/*.yaml]");
        return ERR_SETTINGS;
    }
    if (wanted->broken || path_is_for_shells(wanted, diags))
        return ERR_SETTINGS;
    if (strpbrk(wanted->text, "*?["))
        return include_glob(tree, root, wanted, diags);
    char *path scoped(mem_release) = path_join(wanted->source->dir, wanted->text);
    return include_file(tree, root, wanted, path, diags);
}

int include_resolve(struct config_tree *tree, struct node *root, struct diags *diags)
{
    struct node *include = node_find(root, SPAN("include"));
    int result = 0;

    if (!include)
        return 0;
    node_remove(root, include);
    if (include->kind != NODE_LIST)
        return include_one(tree, root, include, diags);
    for (const struct node *wanted = include->first; wanted; wanted = wanted->next) {
        int r = include_one(tree, root, wanted, diags);
        result = result < 0 ? result : r;
    }
    return result;
}
