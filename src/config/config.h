/* Settings: YAML files read against tables of rows that each feature hands in. This module knows
 * how to read, check and explain a value; it knows no feature. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/macros.h"
#include "base/span.h"

enum config_type {
    CONFIG_BOOL,     /**< bool: true/false/on/off/yes/no */
    CONFIG_INT,      /**< int64_t in min..max */
    CONFIG_SIZE,     /**< int64_t bytes in min..max: 64KiB, 10MB, 1GiB, or a plain number */
    CONFIG_DURATION, /**< nsec_t in min..max: 500ms, 10s, 5m, 2h, 30d; 0 needs no unit */
    CONFIG_STRING,   /**< char *; NULL when neither given nor defaulted */
    CONFIG_PATH,     /**< char *: like a string, made absolute against the file that names it */
    CONFIG_ENUM,     /**< int: the index into `choices` */
    CONFIG_STRINGS,  /**< struct config_strings; a single string is a list of one */
    CONFIG_PATHS,    /**< the same, each made absolute like CONFIG_PATH */
    CONFIG_PAIRS,    /**< struct config_pairs: a mapping of string to string or number, in order */
    CONFIG_TABLE,    /**< an embedded struct described by `rows` */
    CONFIG_OPTIONAL, /**< a pointer to a struct described by `rows`, NULL when absent */
    CONFIG_LIST,     /**< struct config_list of structs of `size` bytes described by `rows`; a
                          single mapping is a list of one */
    CONFIG_NAMED,    /**< struct config_list of structs of `size` bytes described by `rows`, from a
                          mapping of names to them, in order; the first member of each is its name,
                          a char * that no row describes */
};

struct config_strings {
    char **items;
    size_t count;
};

struct config_pair {
    char *key;
    char *value;
};

struct config_pairs {
    struct config_pair *items;
    size_t count;
};

struct config_list {
    void *items; /**< `count` structs, one after the other */
    size_t count;
};

/** A key that this version does not know yet, so that it is not called a slip. */
struct config_planned {
    const char *name;
    const char *instead; /**< what to do until then, for a hint */
};

/** One key of a mapping. A table of rows ends with a row whose name is NULL. */
struct config_row {
    const char *name;
    enum config_type type;
    size_t offset; /**< of the value in the feature's struct */
    int64_t min;   /**< CONFIG_INT, SIZE, DURATION: the range (both 0: no range);
                        STRINGS, PATHS, LIST: fewest and most items (max 0: no bound) */
    int64_t max;
    const char *def; /**< default, as a user would write it (YAML); NULL: zero, empty or absent */
    bool required;
    const char *help;              /**< one sentence for the manual and the JSON Schema */
    const char *const *choices;    /**< CONFIG_ENUM: NULL-terminated */
    const struct config_row *rows; /**< CONFIG_TABLE, OPTIONAL, LIST, NAMED */
    size_t size;                   /**< CONFIG_OPTIONAL, LIST, NAMED: sizeof the struct */
    const char *scalar; /**< CONFIG_TABLE, OPTIONAL, items of LIST and NAMED: a plain scalar stands
                           for this key, as in `files: /srv/www` for {root: /srv/www} */
    /** A check of one text as it is stored: STRING, PATH, each item of STRINGS and PATHS, each name
     *  of NAMED.
     *  @return NULL when fine, else what is wrong as a sentence's end ("is not a valid host name")
     */
    const char *(*check)(const char *value);
    const char *example; /**< a valid value for the manual and hints; may be NULL */
    const char *option;  /**< the option of the command line that stands for it, as a user would
                            write it ("--workers 4"); NULL: none */
    bool off;            /**< STRING, STRINGS: the word `off` may be written as false or no, too */
    const struct config_planned *planned; /**< of the row that ends a table; may be NULL */
};

#define CONFIG_END                                                                                 \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/** As a path: standard input is read instead of a file. */
#define CONFIG_STDIN "-"

struct config_tree; /* the text of settings, parsed, with the place of every value */

/** Reads a file and what it includes (`include: [other.yaml, conf.d/ *.yaml]` at the top level:
 *  mappings merge, lists append, a scalar set twice is an error naming both places). `${NAME}` and
 *  `${NAME:-default}` in a scalar stand for environment variables; `$${` is a literal `${`.
 *  A file has at most 1 MiB, all have 16 MiB, 256 files, 100,000 values and 32 levels of nesting.
 *  Mistakes go to diags. Those that reading can step over (a key given twice, a variable that is
 * not set) still give a tree, so that config_decode() finds the others; it then refuses.
 *  @return 0, or ERR_SETTINGS or -errno, with a diag as well and *ret_tree not written */
must_check int config_load(const char *path, struct diags *diags, struct config_tree **ret_tree);
/** The same for text; `name` stands for the file in messages, relative paths start at `base_dir`.
 *  With `trusted_text` no environment variable and no include is resolved, 64 MiB are taken, and
 *  relative paths stay so without a `base_dir`. `base_dir` NULL is else the current folder.
 *  @return 0, or ERR_SETTINGS with a diag as well and *ret_tree not written */
must_check int config_parse(struct span text, const char *name, const char *base_dir,
                            bool trusted_text, struct diags *diags, struct config_tree **ret_tree);
void config_tree_destroy(struct config_tree *tree);
/** The whole tree as JSON text (which is YAML), with environment, includes and relative paths
 *  resolved by the rows: what config_parse(…, trusted_text) reads back to the same values.
 *  @return a string for free() */
char *config_tree_flatten(const struct config_tree *tree, const struct config_row *rows);

/** Fills `into` (zeroed by the caller) from the tree by the rows: defaults, types, ranges, unknown
 *  keys with "did you mean", missing keys. All mistakes are found, not only the first. A key
 * without a value is a mistake, but for TABLE and PAIRS, where it is as if not written. A default
 * that its own row refuses is the program's mistake and ends the process.
 *  @return 0, or ERR_SETTINGS; `into` must be released in both cases */
must_check int config_decode(const struct config_tree *tree, const struct config_row *rows,
                             void *into, struct diags *diags);
/** Frees what config_decode() allocated inside the struct, by the same rows. */
void config_release(const struct config_row *rows, void *from);
/** Fills a struct with the rows' defaults only. */
void config_defaults(const struct config_row *rows, void *into);

/** Adds a mistake about the value at a path such as "sites[0].files.root" (keys and indexes),
 * placed and with its line shown; for checks across values. The result is never NULL. */
struct diag *config_complain(const struct config_tree *tree, struct diags *diags, const char *path,
                             const char *sentence, ...) printf_like(4, 5);

/** Whether a value stands at that path, as it was written. */
bool config_has(const struct config_tree *tree, const char *path);
/** "FILE:LINE" of the value at a path, or of what is nearest above it, for hints. @return for
 *  free() */
char *config_place(const struct config_tree *tree, const char *path);

/** JSON Schema (2020-12) of a table. @return a string for free() */
char *config_schema(const struct config_row *rows, const char *title);
/** The reference for the manual: one entry a key with type, range, default, help. roff (man) or
 *  Markdown. */
void config_reference_man(const struct config_row *rows, FILE *out);
void config_reference_markdown(const struct config_row *rows, FILE *out);

/** Scalars, for options of the command line too.
 *  @return 0; ERR_SYNTAX; ERR_LIMIT for what int64_t cannot hold */
must_check int config_parse_size(struct span text, int64_t *ret_bytes);
must_check int config_parse_duration(struct span text, int64_t *ret_nsec);
/** The candidate nearest to `word` (few slips of the finger away, `-` being `_`; or one begins with
 *  the other), or NULL when none is near enough to suggest. */
const char *config_nearest(const char *word, const char *const *candidates, size_t count);
