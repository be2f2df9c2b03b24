/* The tree of settings inside this module: nodes with their places, and the texts they came from.
 * What a node means is told by rows, in decode.c. */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "config/config.h"

/* Bounds of what is read, so that no file can cost more than a moment and some megabytes. */
enum {
    TREE_FILE_MAX = 1 << 20,     /* bytes of one file */
    TREE_TEXT_MAX = 16 << 20,    /* bytes of all files, and again of all values, copies included */
    TREE_TRUSTED_MAX = 64 << 20, /* bytes of a trusted text: flattening may make text longer */
    TREE_NODES_MAX = 100000,     /* values, copies of anchors included */
    TREE_DEPTH_MAX = 32,         /* levels of nesting */
    TREE_FILES_MAX = 256,        /* files of one tree */
    TREE_INCLUDES_DEPTH = 8,     /* files that include files */
    TREE_KEY_MAX = 400,          /* bytes of a key: YAML wants a key within 1024 characters, and a
                                    byte of ours takes at most two when flattened */
    TREE_LINE_TEXT_MAX = 1000,   /* bytes of a line that is shown */
};

/** One text. It lives as long as the tree. */
struct source {
    struct source *next;
    const char *name; /**< for messages */
    const char *dir;  /**< where relative paths start: absolute, or "" when there is none */
    struct span text; /**< UTF-8 without byte order mark; followed by a NUL */
    dev_t device;     /**< with inode: which file it is; both 0 for text */
    ino_t inode;
    unsigned depth; /**< how many files include it */
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAPPING };

/** A value. A mapping's children have keys. Never changed once the tree is built, but for a key
 *  that is corrected so that what stands beneath it is checked, too. */
struct node {
    enum node_kind kind;
    bool null;   /**< a scalar: `key:` with nothing behind it, `~` or `null` */
    bool broken; /**< its mistake has been told already: what it is says nothing */
    bool cut;    /**< a mistake of syntax ended it: children may be missing */
    unsigned line, column;
    unsigned key_line, key_column;
    const struct source *source;
    const char *key;
    const char *text; /**< of a scalar, NUL-terminated and without NUL inside */
    struct node *next;
    struct node *first;
    struct node *last;
    size_t count; /**< of children */
};

struct config_tree {
    struct arena arena;
    struct source *sources;
    struct source **sources_end;
    struct node *root; /**< a mapping */
    size_t source_count;
    size_t node_count;
    size_t file_bytes;
    size_t value_bytes;
    bool trusted;
    bool broken;      /**< mistakes were found that reading could step over: it must not be used */
    char first[1024]; /**< the arena's first block */
};

struct config_tree *tree_create(bool trusted);
/** Memory that lives as long as the tree. Never NULL; the bounds above keep it small. */
void *tree_alloc(struct config_tree *tree, size_t size);
const char *tree_copy(struct config_tree *tree, struct span s);
/** A text that joins the tree; `name`, `dir` and `text` are copied. */
struct source *tree_add_source(struct config_tree *tree, const char *name, const char *dir,
                               struct span text);
/** A value that joins the tree. @return NULL when there are too many already */
struct node *tree_add_node(struct config_tree *tree, const struct source *source,
                           enum node_kind kind);
void node_append(struct node *parent, struct node *child);
/** The child of a mapping that has this key, or NULL. */
struct node *node_find(const struct node *mapping, struct span key);
/** Takes a child out of its parent. */
void node_remove(struct node *parent, struct node *child);

/** The children of a mapping in the order of their keys, for looking many of them up. */
struct node_index {
    struct node **sorted;
    size_t count;
};
struct node_index node_index(const struct node *mapping);
struct node *node_index_find(const struct node_index *index, const char *key);
void node_index_finish(struct node_index *index);

/** Adds a mistake at a place of a text, its line shown. `source` may be NULL. Never NULL. */
struct diag *source_complain(const struct source *source, unsigned line, unsigned column,
                             struct diags *diags, const char *sentence, ...) printf_like(5, 6);
/** A line by YAML's reckoning (LF, CR, CRLF, NEL, LS and PS end one), from 1, without its end. */
struct span source_line(const struct source *source, unsigned line);
/** Where a byte of the text is. */
void source_locate(const struct source *source, size_t offset, unsigned *ret_line,
                   unsigned *ret_column);
#define node_complain(node, diags, ...)                                                            \
    source_complain((node)->source, (node)->line, (node)->column, diags, __VA_ARGS__)
#define key_complain(node, diags, ...)                                                             \
    source_complain((node)->source, (node)->key_line, (node)->key_column, diags, __VA_ARGS__)

/** Parses a source into a node (parse.c). Mistakes that can be stepped over set tree->broken.
 *  @return 0 (root NULL for an empty text), or ERR_SETTINGS */
must_check int tree_parse(struct config_tree *tree, const struct source *source,
                          struct diags *diags, struct node **ret_root);
/** Reports keys that a mapping has twice, sets tree->broken, and keeps the first of each. */
void refuse_duplicates(struct config_tree *tree, struct node *mapping, struct diags *diags);
struct yaml_parser_s;
/** Translates what libyaml found wrong (syntax.c).
 *  @param before  lines of the source that stand before what the parser was given
 *  @return the line behind which reading may go on */
unsigned syntax_explain(const struct yaml_parser_s *parser, const struct source *source,
                        unsigned before, struct diags *diags);
/** Tells of `key:value` in a line. @return whether there is any */
bool syntax_explain_glued_colon(const struct source *source, unsigned line, struct diags *diags);

/** What `${NAME}` in a text stands for (environment.c).
 *  @return 0 with a text of the tree's; 1 when nothing was to be done; ERR_SYNTAX with the mistake
 *  told */
must_check int environment_expand(struct config_tree *tree, const struct node *node,
                                  struct span text, struct diags *diags, const char **ret_text);
/** Tells of a path that only a shell would expand: ~/www, $HOME/www. @return whether it is one */
bool path_is_for_shells(const struct node *node, struct diags *diags);
/** Lays a file's root over what was read before (include.c). */
void include_merge(struct config_tree *tree, struct node *into, struct node *from,
                   struct diags *diags);
/** Reads what the root's `include` names and merges it; the key is taken out.
 *  @return 0, or ERR_SETTINGS when reading cannot go on */
must_check int include_resolve(struct config_tree *tree, struct node *root, struct diags *diags);

/** Reads a regular file of at most TREE_FILE_MAX bytes (load.c).
 *  @return 0; ERR_LIMIT; -errno, of which -EINVAL is something else than a regular file */
must_check int load_source(struct config_tree *tree, const char *path, struct source **ret_source);
/** Says what is wrong with the bytes themselves, before YAML is asked (load.c).
 *  @return 0, or ERR_SETTINGS */
must_check int source_check_bytes(const struct source *source, struct diags *diags);
/** An error of load_source() in words. */
const char *load_error_text(int error);
/** Settings are a mapping. @return 0, or ERR_SETTINGS with the mistake told (load.c) */
must_check int root_check(const struct node *root, struct diags *diags);
/** `path` made absolute against a directory ("": left alone). @return for free() */
char *path_join(const char *dir, const char *path);
