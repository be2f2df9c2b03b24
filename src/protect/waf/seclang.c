/* The directives of SecLang files as words with their lines. */
#include "protect/waf/seclang.h"

#include <stdlib.h>

#include "base/mem.h"

void seclang_begin(struct seclang_reader *reader, struct span text)
{
    *reader = (struct seclang_reader){.rest = text, .line = 1};
    reader->room = text.len + 1;
    reader->text = mem_alloc(reader->room);
}

void seclang_finish(struct seclang_reader *reader)
{
    free(reader->text);
    *reader = (struct seclang_reader){0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/** Copies the next line, with those that continue it, to reader->text.
 *  @return its length, or -1 at the end */
static ptrdiff_t join_lines(struct seclang_reader *reader)
{
    size_t len = 0;

    if (reader->rest.len == 0)
        return -1;
    for (;;) {
        ptrdiff_t end = span_find(reader->rest, '\n');
        size_t line = end < 0 ? reader->rest.len : (size_t)end;
        memcpy(reader->text + len, reader->rest.ptr, line);
        len += line;
        reader->rest = span_from(reader->rest, line + 1);
        reader->line++;
        while (len && reader->text[len - 1] == '\r')
            len--;
        if (!len || reader->text[len - 1] != '\\' || reader->rest.len == 0)
            return (ptrdiff_t)len;
        len--;
    }
}

/** Cuts one word off, in place. A backslash before the quote or another backslash goes.
 *  @return 1, or ERR_SYNTAX for a quote that is not closed */
static int cut_word(char **at, char *end, struct span *ret_word)
{
    char *from = *at, *to = *at, *start = *at;
    char quote = *from == '"' || *from == '\'' ? *from++ : 0;

    for (; from < end; from++) {
        if (quote ? *from == quote : is_blank(*from))
            break;
        if (quote && *from == '\\' && from + 1 < end && (from[1] == quote || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    if (quote && from >= end)
        return ERR_SYNTAX;
    *ret_word = span_of(start, (size_t)(to - start));
    *at = from < end ? from + 1 : from;
    return 1;
}

int seclang_next(struct seclang_reader *reader, struct seclang_directive *ret_directive)
{
    struct seclang_directive directive;

    for (;;) {
        directive = (struct seclang_directive){.line = reader->line};
        ret_directive->line = directive.line;
        ptrdiff_t len = join_lines(reader);
        if (len < 0)
            return 0;
        char *at = reader->text, *end = reader->text + len;
        while (at < end && is_blank(*at))
            at++;
        if (at == end || *at == '#')
            continue;
        while (at < end) {
            if (directive.count == SECLANG_WORDS_MAX)
                return ERR_LIMIT;
            int r = cut_word(&at, end, &directive.words[directive.count]);
            if (r < 0)
                return r;
            directive.count++;
            while (at < end && is_blank(*at))
                at++;
        }
        *ret_directive = directive;
        return 1;
    }
}
