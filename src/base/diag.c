/* Collecting mistakes. How they look on a terminal or in JSON is cli's. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/span.h"

enum {
    DIAGS_MAX = 100,
    ALIKE_MAX = 3, /* warnings that say the same; more are one with a number */
};

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

    bool full = diags->count == DIAGS_MAX;
    diags->errors++;
    if (full) { /* the last place takes what nobody will read */
        diags->dropped++;
        diag_finish(&diags->items[DIAGS_MAX]);
    } else {
        bool first = !diags->items;
        diags->items = mem_resize(diags->items, diags->count + 2, sizeof *diags->items);
        if (first)
            diags->items[0] = (struct diag){0};
        diag_finish(&diags->items[diags->count]); /* a warning that was counted with another */
        diags->count++;
        diags->items[diags->count] = (struct diag){0};
    }
    struct diag *diag = &diags->items[full ? DIAGS_MAX : diags->count - 1];
    va_start(args, sentence);
    *diag = (struct diag){.sentence = format_text(sentence, args)};
    va_end(args);
    return diag;
}

/* The next word that is the same for every site. @return false at the end */
static bool next_word(struct span *rest, struct span *ret_word)
{
    while (rest->len) {
        size_t blank = span_starts(*rest, SPAN(" ")) ? 1 : 0;
        if (blank) {
            *rest = span_from(*rest, blank);
            continue;
        }
        bool quoted = rest->ptr[0] == '"';
        ptrdiff_t end = span_find(span_from(*rest, 1), quoted ? '"' : ' ');
        size_t len = end < 0 ? rest->len : (size_t)end + 1 + quoted;
        struct span word = span_of(rest->ptr, len);
        *rest = span_from(*rest, len);
        bool varies = quoted;
        for (size_t i = 0; i < word.len && !varies; i++)
            varies = strchr("/.0123456789", word.ptr[i]) != NULL;
        if (varies)
            continue;
        *ret_word = word;
        return true;
    }
    return false;
}

static bool is_alike(const char *one, const char *other)
{
    struct span a = span_str(one), b = span_str(other), word, same;
    bool more;

    do {
        more = next_word(&a, &word);
        if (next_word(&b, &same) != more || (more && !span_equal(word, same)))
            return false;
    } while (more);
    return true;
}

/* Takes one out; those behind it move up, and so does the place behind the last. */
static void drop(struct diags *diags, size_t at)
{
    diag_finish(&diags->items[at]);
    memmove(&diags->items[at], &diags->items[at + 1], (diags->count - at) * sizeof *diags->items);
    diags->count--;
}

/* Counts the warning that was added last with those before it that are alike, if they are many.
 * @return where the warning is now */
static struct diag *count_alike(struct diags *diags, struct diag *diag)
{
    bool kept = diag != &diags->items[diags->count];
    size_t last = diags->count - kept, places[ALIKE_MAX], found = 0;

    for (size_t i = 0; i < last && found < ALIKE_MAX; i++) {
        if (!diags->items[i].warning || !is_alike(diags->items[i].sentence, diag->sentence))
            continue;
        places[found++] = i;
        if (diags->items[i].alike)
            break;
    }
    struct diag *first = found ? &diags->items[places[0]] : NULL;
    if (!first || (!first->alike && found < ALIKE_MAX))
        return diag;
    first->alike += diag->alike + (unsigned)found;
    while (found > 1)
        drop(diags, places[--found]);
    if (kept)
        diags->count--; /* it is in the place behind the last now */
    else
        diags->dropped--;
    return &diags->items[diags->count];
}

struct diag *diags_warning(struct diags *diags, struct diag *diag)
{
    if (!diag->warning)
        diags->errors--;
    diag->warning = true;
    bool last = diag >= &diags->items[diags->count - 1];
    return last ? count_alike(diags, diag) : diag;
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
