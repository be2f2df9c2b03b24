/* Collecting mistakes. How they look on a terminal or in JSON is cli's. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { DIAGS_MAX = 100 };

static printf_like(1, 0) char *format_text(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

static void diag_finish(struct diag *diag)
{
    free(diag->file);
    free(diag->line_text);
    free(diag->sentence);
    free(diag->hint);
    *diag = (struct diag){0};
}

struct diag *diags_add(struct diags *diags, const char *sentence, ...)
{
    va_list args;

    diags->errors++;
    if (diags->count == DIAGS_MAX) { /* the last place takes what nobody will read */
        diags->dropped++;
        diag_finish(&diags->items[DIAGS_MAX]);
    } else {
        diags->items = mem_resize(diags->items, diags->count + 2, sizeof *diags->items);
        diags->count++;
        diags->items[diags->count] = (struct diag){0};
    }
    struct diag *diag = &diags->items[diags->dropped ? DIAGS_MAX : diags->count - 1];
    va_start(args, sentence);
    *diag = (struct diag){.sentence = format_text(sentence, args)};
    va_end(args);
    return diag;
}

struct diag *diags_warning(struct diags *diags, struct diag *diag)
{
    if (!diag->warning)
        diags->errors--;
    diag->warning = true;
    return diag;
}

void diag_hint(struct diag *diag, const char *hint, ...)
{
    va_list args;

    free(diag->hint);
    va_start(args, hint);
    diag->hint = format_text(hint, args);
    va_end(args);
}

void diag_place(struct diag *diag, const char *file, unsigned line, unsigned column,
                const char *line_text)
{
    free(diag->file);
    free(diag->line_text);
    diag->file = file ? mem_string(span_str(file)) : NULL;
    diag->line_text = line_text ? mem_string(span_str(line_text)) : NULL;
    diag->line = line;
    diag->column = column;
}

void diags_finish(struct diags *diags)
{
    for (size_t i = 0; diags->items && i <= diags->count; i++)
        diag_finish(&diags->items[i]);
    free(diags->items);
    *diags = (struct diags){0};
}
