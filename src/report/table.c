/* Laying cells out in columns. */
#include "report/table.h"

#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"

enum {
    GAP = 2,       /* blanks between columns */
    LAST_MIN = 20, /* columns that the last cell needs to be worth wrapping */
};

void table_add(struct table *table, enum printer_style style, const char *text)
{
    table->cells = mem_resize(table->cells, table->count + 1, sizeof *table->cells);
    table->cells[table->count++] =
        (struct table_cell){.text = escape_text(span_str(text)), .style = style};
}

void table_end_row(struct table *table)
{
    while (table->count % table->columns)
        table_add(table, STYLE_PLAIN, NULL);
}

/* Columns before the last, gaps included. */
static size_t measure(const struct table *table, size_t *widths)
{
    size_t left = 0;

    for (size_t c = 0; c < table->columns; c++)
        widths[c] = 0;
    for (size_t i = 0; i < table->count; i++) {
        size_t wide = printer_columns(span_str(table->cells[i].text));
        if (wide > widths[i % table->columns])
            widths[i % table->columns] = wide;
    }
    for (size_t c = 0; c + 1 < table->columns; c++)
        left += widths[c] + GAP;
    return left;
}

static void print_row(const struct printer *printer, const struct table *table, size_t row,
                      const size_t *widths)
{
    const struct table_cell *cells = &table->cells[row * table->columns];
    size_t last = table->columns - 1, column = 0;

    while (last > 0 && !*cells[last].text) /* no blanks at the end of a line */
        last--;
    for (size_t c = 0; c < last; c++) {
        printer_styled(printer, cells[c].style, cells[c].text);
        size_t pad = widths[c] + GAP - printer_columns(span_str(cells[c].text));
        fprintf(printer->out, "%*s", (int)pad, "");
        column += widths[c] + GAP;
    }
    printer_style(printer, cells[last].style);
    printer_wrap(printer, (unsigned)column, (unsigned)column, cells[last].text);
    printer_style(printer, STYLE_PLAIN);
}

static void print_stacked(const struct printer *printer, const struct table *table, size_t row)
{
    const struct table_cell *cells = &table->cells[row * table->columns];

    for (size_t c = 0; c < table->columns; c++) {
        if (!*cells[c].text)
            continue;
        const char *label = table->labels ? table->labels[c] : NULL;
        unsigned column = c ? GAP : 0;
        fputs(c ? "  " : "", printer->out);
        if (c && label) {
            printer_styled(printer, STYLE_DIM, label);
            fputs(": ", printer->out);
            column += (unsigned)printer_columns(span_str(label)) + 2;
        }
        printer_style(printer, cells[c].style);
        printer_wrap(printer, column, c ? GAP * 2 : GAP, cells[c].text);
        printer_style(printer, STYLE_PLAIN);
    }
}

void table_print(const struct printer *printer, const struct table *table)
{
    size_t widths[TABLE_COLUMNS_MAX];
    size_t left = measure(table, widths);
    bool fits = !printer->width || left + LAST_MIN <= printer->width ||
                left + widths[table->columns - 1] <= printer->width;

    for (size_t row = 0; row < table->count / table->columns; row++) {
        if (fits)
            print_row(printer, table, row, widths);
        else if (row > 0 || !table->headed)
            print_stacked(printer, table, row);
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
