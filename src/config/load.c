/* From a path or a text to a tree: files are read here, and parsing and including are led from
 * here. What the values mean is decode.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/values.h"

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

char *path_join(const char *dir, const char *path)
{
    if (path[0] == '/' || !dir[0])
        return mem_string(span_str(path));
    while (path[0] == '.' && path[1] == '/')
        for (path += 2; *path == '/';)
            path++;
    if (strcmp(path, ".") == 0 || !path[0])
        return mem_string(span_str(dir));
    return mem_format("%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", path);
}

/** The folder made absolute; "" when the current folder has no name. */
static char *absolute_dir(struct span dir)
{
    char *given scoped(mem_release) = mem_string(dir.len ? dir : SPAN("."));
    char *current scoped(mem_release) = given[0] == '/' ? NULL : getcwd(NULL, 0);

    return current || given[0] == '/' ? path_join(current ? current : "", given)
                                      : mem_string(SPAN(""));
}

/** The folder of a file, absolute. */
static char *dir_of(const char *path)
{
    ptrdiff_t slash = span_find_last(span_str(path), '/');

    return absolute_dir(span_of(path, slash > 0 ? (size_t)slash : slash == 0));
}

/** Reads what is there, up to `room` bytes. @return how many bytes, or -errno */
static ssize_t read_all(int fd, char *bytes, size_t room)
{
    size_t len = 0;

    while (len < room) {
        ssize_t n = read(fd, bytes + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

int load_source(struct config_tree *tree, const char *path, struct source **ret_source)
{
    bool standard_input = strcmp(path, CONFIG_STDIN) == 0;
    int fd scoped(close_fd) = standard_input
                                  ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                  : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !standard_input)
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    char *bytes scoped(mem_release) = mem_alloc(TREE_FILE_MAX + 1);
    ssize_t len = read_all(fd, bytes, TREE_FILE_MAX + 1);
    if (len < 0)
        return (int)len;
    if (len > TREE_FILE_MAX || tree->file_bytes + (size_t)len > TREE_TEXT_MAX)
        return ERR_LIMIT;
    char *dir scoped(mem_release) = dir_of(path);
    struct source *source = tree_add_source(tree, standard_input ? "standard input" : path, dir,
                                            span_of(bytes, (size_t)len));
    source->device = st.st_dev;
    source->inode = st.st_ino;
    *ret_source = source;
    return 0;
}

int source_check_bytes(const struct source *source, struct diags *diags)
{
    struct span rest = source->text;
    unsigned char bad = 0;
    bool wide = span_starts(rest, SPAN("\xff\xfe")) || span_starts(rest, SPAN("\xfe\xff"));
    bool control = false;

    for (size_t len; rest.len && !wide && !control; rest = span_from(rest, len)) {
        len = utf8_length(rest);
        bad = (unsigned char)rest.ptr[0];
        control = bad == 0x7f || (bad < 0x20 && bad != '\t' && bad != '\n' && bad != '\r');
        if (len == 0 || control)
            break;
    }
    if (!rest.len)
        return 0;
    unsigned line, column;
    source_locate(source, (size_t)(rest.ptr - source->text.ptr), &line, &column);
    struct diag *diag = source_complain(source, line, column, diags,
                                        wide      ? "the file is UTF-16, not UTF-8"
                                        : control ? "a control character stands here"
                                                  : "a byte here is not UTF-8");
    if (control)
        diag_hint(diag, "remove it, or write \"\\x%02x\" in double quotes", bad);
    else
        diag_hint(diag, "save the file as UTF-8 text");
    return ERR_SETTINGS;
}

const char *load_error_text(int error)
{
    if (error == ERR_LIMIT)
        return "it is larger than 1 MiB, or all files together than 16 MiB";
    if (error == -EINVAL)
        return "it is not an ordinary file";
    return error_text(error);
}

int root_check(const struct node *root, struct diags *diags)
{
    if (root->kind == NODE_MAPPING)
        return 0;
    if (root->kind == NODE_SCALAR && syntax_explain_glued_colon(root->source, root->line, diags))
        return ERR_SETTINGS;
    diag_hint(node_complain(root, diags, "settings are keys with values, not %s",
                            root->kind == NODE_LIST ? "a list" : "a text"),
              "write \"key: value\" lines");
    return ERR_SETTINGS;
}

/** Parses the first source and all that it includes. Takes the tree. */
static int build(struct config_tree *tree, const struct source *source, struct diags *diags,
                 struct config_tree **ret_tree)
{
    int r = tree_parse(tree, source, diags, &tree->root);

    if (r == 0 && !tree->root) {
        tree->root = tree_add_node(tree, source, NODE_MAPPING);
        tree->root->line = tree->root->column = 1;
    }
    if (r == 0)
        r = root_check(tree->root, diags);
    if (r == 0 && !tree->trusted)
        r = include_resolve(tree, tree->root, diags);
    if (r < 0)
        config_tree_destroy(tree);
    else
        *ret_tree = tree;
    return r;
}

int config_load(const char *path, struct diags *diags, struct config_tree **ret_tree)
{
    struct config_tree *tree = tree_create(false);
    struct source *source;
    int r = load_source(tree, path, &source);

    if (r == 0)
        return build(tree, source, diags, ret_tree);
    config_tree_destroy(tree);
    struct diag *diag = diags_add(diags, "cannot read the settings: %s", load_error_text(r));
    diag_place(diag, path, 0, 0, NULL);
    if (r == -EACCES)
        diag_hint(diag, "make it readable for the user that runs this command");
    else if (r == -ENOENT)
        diag_hint(diag, "check the path; without settings: gardien serve FOLDER");
    return r == ERR_LIMIT ? ERR_SETTINGS : r;
}

int config_parse(struct span text, const char *name, const char *base_dir, bool trusted_text,
                 struct diags *diags, struct config_tree **ret_tree)
{
    struct config_tree *tree = tree_create(trusted_text);
    char *dir scoped(mem_release) =
        trusted_text && !base_dir ? mem_string(SPAN("")) : absolute_dir(span_str(base_dir));

    if (text.len > (trusted_text ? TREE_TRUSTED_MAX : TREE_FILE_MAX)) {
        diag_place(diags_add(diags, "the settings are larger than 1 MiB"), name, 0, 0, NULL);
        config_tree_destroy(tree);
        return ERR_SETTINGS;
    }
    return build(tree, tree_add_source(tree, name, dir, text), diags, ret_tree);
}
