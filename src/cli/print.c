/* The look of mistakes on a terminal. */
#include "cli/print.h"

#include <stdarg.h>
#include <stdlib.h>

#include "report/printer.h"

/* The user's own text, which may hold escape sequences that a terminal would obey. */
static void print_text(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 && *text != '\t' ? ' ' : *text, out);
}

/* A caret beneath the column: tabs stay tabs, bytes that continue a character take no room. */
static void print_caret(FILE *out, const struct diag *diag, const struct printer *printer)
{
    unsigned column = 1;

    fputs("    ", out);
    for (const char *at = diag->line_text; *at && column < diag->column; at++) {
        if (((unsigned char)*at & 0xc0) == 0x80)
            continue;
        fputc(*at == '\t' ? '\t' : ' ', out);
        column++;
    }
    printer_styled(printer, STYLE_GREEN, "^\n");
}

static void print_one(FILE *out, const struct diag *diag, const struct printer *printer)
{
    bool placed = diag->file && *diag->file && strcmp(diag->file, DIAG_COMMAND_LINE) != 0;

    printer_style(printer, STYLE_BOLD);
    if (placed && diag->line)
        fprintf(out, "%s:%u:%u: ", diag->file, diag->line, diag->column);
    else if (placed)
        fprintf(out, "%s: ", diag->file);
    else
        fputs("gardien: ", out);
    printer_style(printer, STYLE_PLAIN);
    if (diag->warning)
        printer_styled(printer, STYLE_YELLOW, "warning: ");
    print_text(out, diag->sentence);
    fputc('\n', out);
    if (placed && diag->line && diag->line_text) {
        fputs("    ", out);
        print_text(out, diag->line_text);
        fputc('\n', out);
        print_caret(out, diag, printer);
    }
    if (diag->hint) {
        fputs("  ", out);
        printer_styled(printer, STYLE_GREEN, "->");
        fputc(' ', out);
        print_text(out, diag->hint);
        fputc('\n', out);
    }
}

void print_diags(FILE *out, const struct diags *diags)
{
    struct printer printer = printer_of(out);

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

void print_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(object);
}
