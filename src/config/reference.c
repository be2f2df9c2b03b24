/* The manual's reference from rows: one entry a key, in roff or Markdown. The prose around it is
 * the manual's. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/rows.h"
#include "config/values.h"

/** How a format writes an entry. Texts come with `code` in backticks. */
struct markup {
    void (*name)(FILE *out, const char *path);
    void (*paragraph)(FILE *out, const char *text);
};

/** Adds formatted text to a string that is owned. */
static void extend(char **text, const char *joint, const char *more)
{
    char *longer = mem_format("%s%s%s", *text, joint, more);

    free(*text);
    *text = longer;
}

/** What the value is: "A size such as 64KiB, from 1KiB to 1MiB; default `32KiB`." */
static char *facts(const struct config_row *row)
{
    char *range scoped(mem_release) = value_format_range(row);
    char *text =
        row->type == CONFIG_ENUM ? value_format_choices(row) : mem_string(span_str(row_takes(row)));
    bool list = row->type == CONFIG_STRINGS || row->type == CONFIG_PATHS ||
                row->type == CONFIG_LIST || row->type == CONFIG_NAMED;

    if (row->type != CONFIG_ENUM)
        text[0] = (char)toupper((unsigned char)text[0]);
    if (range)
        extend(&text, ", ", range);
    if (list && (row->min > 0 || row->max > 0)) {
        char *min scoped(mem_release) = mem_format("at least %" PRId64, row->min);
        char *max scoped(mem_release) = mem_format("at most %" PRId64, row->max);
        if (row->min > 0)
            extend(&text, ", ", min);
        if (row->max > 0)
            extend(&text, ", ", max);
    }
    if (row_has_rows(row) && row->scalar) {
        char *scalar scoped(mem_release) = mem_format("a plain value stands for `%s`", row->scalar);
        extend(&text, "; ", scalar);
    }
    if (row->required)
        extend(&text, "; ", "required");
    if (row->def && row->def[0]) {
        char *quoted scoped(mem_release) = mem_format("`%s`", row->def);
        extend(&text, "; default ", quoted);
    }
    extend(&text, ".", "");
    return text;
}

/** A row's help as a sentence. */
static char *sentence(const char *help)
{
    size_t len = strlen(help);
    char *text = mem_format("%s%s", help, len && strchr(".!?", help[len - 1]) ? "" : ".");

    text[0] = (char)toupper((unsigned char)text[0]);
    return text;
}

static void write_rows(FILE *out, const struct markup *markup, const struct config_row *rows,
                       const char *prefix)
{
    for (const struct config_row *row = rows; row->name; row++) {
        char *path scoped(mem_release) = mem_format("%s%s", prefix, row->name);
        char *fact scoped(mem_release) = facts(row);
        markup->name(out, path);
        if (row->help) {
            char *help scoped(mem_release) = sentence(row->help);
            markup->paragraph(out, help);
        }
        markup->paragraph(out, fact);
        if (row->example) {
            char *example scoped(mem_release) =
                mem_format("Example: `%s: %s`", row->name, row->example);
            markup->paragraph(out, example);
        }
        if (row_has_rows(row)) {
            char *inner scoped(mem_release) = mem_format("%s%s.", path,
                                                         row->type == CONFIG_LIST    ? "[]"
                                                         : row->type == CONFIG_NAMED ? ".NAME"
                                                                                     : "");
            write_rows(out, markup, row->rows, inner);
        }
    }
}

static void man_text(FILE *out, const char *text)
{
    bool code = false;

    if (*text == '.' || *text == '\'') /* would be a request */
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '`') {
            code = !code;
            fputs(code ? "\\fB" : "\\fR", out);
        } else if (*text == '\\') {
            fputs("\\e", out);
        } else if (*text == '-' || *text == '\'' || *text == '^' || *text == '~') {
            fputs(*text == '-'    ? "\\-"
                  : *text == '\'' ? "\\(aq"
                  : *text == '^'  ? "\\(ha"
                                  : "\\(ti",
                  out);
        } else {
            fputc(*text == '\n' ? ' ' : *text, out);
        }
    }
    fputc('\n', out);
}

static void man_name(FILE *out, const char *path)
{
    fputs(".TP\n.B ", out);
    man_text(out, path);
}

static void man_paragraph(FILE *out, const char *text)
{
    man_text(out, text);
    fputs(".br\n", out);
}

static void markdown_name(FILE *out, const char *path)
{
    fprintf(out, "### `%s`\n\n", path);
}

static void markdown_paragraph(FILE *out, const char *text)
{
    bool code = false;

    for (; *text; text++) {
        if (*text == '`')
            code = !code;
        if (!code && strchr("<*\\", *text))
            fputc('\\', out);
        fputc(*text, out);
    }
    fputs("\n\n", out);
}

void config_reference_man(const struct config_row *rows, FILE *out)
{
    const struct markup markup = {man_name, man_paragraph};

    write_rows(out, &markup, rows, "");
}

void config_reference_markdown(const struct config_row *rows, FILE *out)
{
    const struct markup markup = {markdown_name, markdown_paragraph};

    write_rows(out, &markup, rows, "");
}
