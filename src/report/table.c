/* Laying cells out in columns. */
#include "report/table.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
    GAP = 2,         /* blanks between columns */
    LAST_LEAST = 20, /* columns that the last cell needs to be worth wrapping */
};

void table_add(struct table *table, enum face_style style, const char *text)
{
    table->cells = mem_resize(table->cells, table->count + 1, sizeof *table->cells);
    table->cells[table->count++] =
        (struct table_cell){.text = face_escape(span_str(text)), .style = style};
}

void table_end_row(struct table *table)
{
    while (table->count % table->columns)
        table_add(table, FACE_PLAIN, NULL);
}

/* Columns before the last, gaps included. */
static size_t measure(const struct table *table, size_t *widths)
{
    size_t left = 0;

    for (size_t c = 0; c < table->columns; c++)
        widths[c] = 0;
    for (size_t i = 0; i < table->count; i++) {
        size_t wide = face_columns(span_str(table->cells[i].text));
        if (wide > widths[i % table->columns])
            widths[i % table->columns] = wide;
    }
    for (size_t c = 0; c + 1 < table->columns; c++)
        left += widths[c] + GAP;
    return left;
}

static void print_row(const struct face *face, const struct table *table, size_t row,
                      const size_t *widths)
{
    const struct table_cell *cells = &table->cells[row * table->columns];
    size_t last = table->columns - 1, column = 0;

    while (last > 0 && !*cells[last].text) /* no blanks at the end of a line */
        last--;
    for (size_t c = 0; c < last; c++) {
        face_styled(face, cells[c].style, cells[c].text);
        size_t pad = widths[c] + GAP - face_columns(span_str(cells[c].text));
        fprintf(face->out, "%*s", (int)pad, "");
        column += widths[c] + GAP;
    }
    face_style(face, cells[last].style);
    face_wrap(face, (unsigned)column, (unsigned)column, cells[last].text);
    face_style(face, FACE_PLAIN);
}

static void print_stacked(const struct face *face, const struct table *table, size_t row)
{
    const struct table_cell *cells = &table->cells[row * table->columns];

    for (size_t c = 0; c < table->columns; c++) {
        if (!*cells[c].text)
            continue;
        const char *label = table->labels ? table->labels[c] : NULL;
        unsigned column = c ? GAP : 0;
        fputs(c ? "  " : "", face->out);
        if (c && label) {
            face_styled(face, FACE_DIM, label);
            fputs(": ", face->out);
            column += (unsigned)face_columns(span_str(label)) + 2;
        }
        face_style(face, cells[c].style);
        face_wrap(face, column, c ? GAP * 2 : GAP, cells[c].text);
        face_style(face, FACE_PLAIN);
    }
}

void table_print(const struct face *face, const struct table *table)
{
    size_t widths[TABLE_COLUMNS_MAX];
    size_t left = measure(table, widths);
    bool fits = !face->width || left + LAST_LEAST <= face->width ||
                left + widths[table->columns - 1] <= face->width;

    for (size_t row = 0; row < table->count / table->columns; row++) {
        if (fits)
            print_row(face, table, row, widths);
        else if (row > 0 || !table->headed)
            print_stacked(face, table, row);
    }
}

void table_finish(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    *table =
        (struct table){.columns = table->columns, .labels = table->labels, .headed = table->headed};
}
