/* Rows inside this module: finding them, saying what they take, and the nodes that defaults and
 * shorthands stand for. */
#pragma once

#include "config/tree.h"

/** The row of a name in a table, or NULL. */
const struct config_row *row_find(const struct config_row *rows, const char *name);
/** What a row takes, as in "… takes a whole number". Never NULL. */
const char *row_takes(const struct config_row *row);
/** A value that the row takes, as a user would write it, for hints; for free(). NULL for none. */
char *row_example(const struct config_row *row);
/** Gives a mistake of a value that example as its hint; as an option where the value comes from the
 *  command line. */
void row_hint(struct diag *diag, const struct config_row *row, const struct node *node);
/** What a mistake calls the key of a value: its name in quotes, or the option; for free(). */
char *row_title(const struct config_row *row, const struct node *node);
/** Whether the row is described by rows of its own. */
bool row_has_rows(const struct config_row *row);

/** A mapping of one key that a plain scalar stands for. */
struct shorthand {
    struct node mapping;
    struct node value;
};
/** Fills *made when the node is a scalar and the row lets one stand for a key.
 *  @return the mapping, or the node itself */
const struct node *row_expand(const struct config_row *row, const struct node *node,
                              struct shorthand *made);

/** The default of a row as a value. A default that is wrong is the program's own mistake and ends
 * the process. Finish it in every case. */
struct row_default {
    struct node scalar;
    struct config_tree *tree; /**< of a default with structure, else NULL */
    const struct node *node;
};
void row_default_init(struct row_default *value, const struct config_row *row);
void row_default_finish(struct row_default *value);
/** Ends the process because of a row's default, with a message. */
void row_default_is_wrong(const struct config_row *row, const struct diags *diags)
    __attribute__((noreturn));

/** A value as JSON by its row (NULL: not known), for free() (flatten.c). */
char *row_flatten(const struct config_row *row, const struct node *node);

/* Scalars of a row into its slot; mistakes are told (scalars.c). */
enum { ROW_SHOWN_MAX = 80 }; /* bytes of a value that a message repeats */
void scalar_decode_bool(const struct config_row *row, const struct node *node, bool *into,
                        struct diags *diags);
void scalar_decode_choice(const struct config_row *row, const struct node *node, int *into,
                          struct diags *diags);
void scalar_decode_number(const struct config_row *row, const struct node *node, int64_t *into,
                          struct diags *diags);
