/* The look of mistakes on a terminal. */
#include "cli/print.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "report/printer.h"

/* Columns that one character takes once it is escaped. */
static size_t columns_of(struct span character)
{
    scoped(mem_release) char *shown = escape_keeping(character, "\t");

    return printer_columns(span_str(shown));
}

/* A caret beneath the column: tabs stay tabs. */
static void print_caret(FILE *out, const struct diag *diag, const struct printer *printer)
{
    struct span rest = span_str(diag->line_text);

    fputs("    ", out);
    for (unsigned column = 1; rest.len && column < diag->column; column++) {
        uint32_t code = 0;
        size_t length = utf8_decode(rest, &code);
        length = length ? length : 1;
        if (code == '\t')
            fputc('\t', out);
        else
            fprintf(out, "%*s", (int)columns_of(span_of(rest.ptr, length)), "");
        rest = span_from(rest, length);
    }
    printer_styled(printer, STYLE_GREEN, "^");
    fputc('\n', out);
}

static void print_line_text(FILE *out, const struct diag *diag, const struct printer *printer)
{
    scoped(mem_release) char *shown = escape_keeping(span_str(diag->line_text), "\t");

    fprintf(out, "    %s\n", shown);
    print_caret(out, diag, printer);
}

static void print_one(FILE *out, const struct diag *diag, const struct printer *printer)
{
    bool placed = diag->file && *diag->file && strcmp(diag->file, DIAG_COMMAND_LINE) != 0;

    printer_style(printer, STYLE_BOLD);
    if (placed)
        printer_foreign(printer, span_str(diag->file));
    if (placed && diag->line)
        fprintf(out, ":%u:%u: ", diag->line, diag->column);
    else
        fputs(placed ? ": " : "gardien: ", out);
    printer_style(printer, STYLE_PLAIN);
    if (diag->warning)
        printer_styled(printer, STYLE_YELLOW, "warning: ");
    printer_foreign(printer, span_str(diag->sentence));
    if (diag->alike)
        fprintf(out, " (and %u more like this)", diag->alike);
    fputc('\n', out);
    if (placed && diag->line && diag->line_text)
        print_line_text(out, diag, printer);
    if (diag->hint) {
        fputs("  ", out);
        printer_styled(printer, STYLE_GREEN, "->");
        fputc(' ', out);
        printer_foreign(printer, span_str(diag->hint));
        fputc('\n', out);
    }
}

void print_diags(FILE *out, const struct diags *diags)
{
    print_diags_as(out, out, diags);
}

void print_diags_as(FILE *out, FILE *like, const struct diags *diags)
{
    struct printer printer = printer_of(like);

    printer.out = out;
    for (size_t i = 0; i < diags->count; i++)
        print_one(out, &diags->items[i], &printer);
    if (diags->dropped)
        fprintf(out, "gardien: and %zu more\n", diags->dropped);
}

void print_error(const char *hint, const char *sentence, ...)
{
    struct diags diags = {0};
    char text[1024];
    va_list args;

    va_start(args, sentence);
    vsnprintf(text, sizeof text, sentence, args);
    va_end(args);
    struct diag *diag = diags_add(&diags, "%s", text);
    if (hint)
        diag_hint(diag, "%s", hint);
    print_diags(stderr, &diags);
    diags_finish(&diags);
}

void print_escaped(FILE *out, const char *format, ...)
{
    scoped(mem_release) char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    scoped(mem_release) char *escaped = escape_keeping(span_str(text), "\n");
    fputs(escaped, out);
}

static void dump_json(json_t *object, size_t flags)
{
    scoped(mem_release) char *text = json_dumps(object, flags | JSON_REAL_PRECISION(12));
    scoped(mem_release) char *escaped = escape_json(span_str(text));

    fputs(escaped, stdout);
    fputc('\n', stdout);
    json_decref(object);
}

void print_json(json_t *object)
{
    dump_json(object, JSON_INDENT(2));
}

void print_json_line(json_t *object)
{
    dump_json(object, JSON_COMPACT);
}
