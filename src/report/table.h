/* Rows of text in columns as wide as their widest cell, for a terminal or a file. */
#pragma once

#include "report/printer.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct table_cell {
    char *text;
    enum printer_style style;
};

/** All zero but `columns` is an empty table. */
struct table {
    size_t columns; /**< 1..TABLE_COLUMNS_MAX */
    /** What the columns are called, where each cell gets a line; NULL, or NULL for one: nothing */
    const char *const *labels;
    bool headed; /**< the first row says the same, and is left out there */
    struct table_cell *cells;
    size_t count; /**< cells; rows are filled from left to right */
};

/** Adds the next cell; the text is copied, and escaped as printer_foreign() does. NULL is empty. */
void table_add(struct table *table, enum printer_style style, const char *text);
/** Fills the row that was begun with empty cells. */
void table_end_row(struct table *table);
/** Prints all rows, two blanks between columns. Where a row is wider than the printer, its last
 * column is wrapped; a terminal too narrow for that gets a line a cell. */
void table_print(const struct printer *printer, const struct table *table);
void table_finish(struct table *table);
