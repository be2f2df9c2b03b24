/* Colours, width and line breaks. What is said is the callers'. */
#include "report/printer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/mem.h"
#include "report/stream.h"

enum { NARROWEST = 20 /* columns; below that breaking lines helps nobody */ };

/* ---- what the stream is ---- */

static bool environment_has(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

static unsigned terminal_width(FILE *out)
{
    uint64_t columns = 0;
    const char *said = getenv("COLUMNS");

    if (said && span_to_uint(span_str(said), &columns) == 0 && columns >= NARROWEST &&
        columns <= 1000)
        return (unsigned)columns;
    unsigned width = stream_width(out);
    return width >= NARROWEST ? width : 80;
}

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value)
            continue;
        return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8") ||
               strstr(value, "utf-8");
    }
    return false;
}

struct printer printer_of(FILE *out)
{
    const char *term = getenv("TERM");
    struct printer printer = {.out = out, .terminal = stream_is_terminal(out)};

    if (!printer.terminal)
        return printer;
    printer.colour = !environment_has("NO_COLOR") && !(term && strcmp(term, "dumb") == 0);
    printer.unicode = locale_is_utf8();
    printer.width = terminal_width(out);
    return printer;
}

void printer_style(const struct printer *printer, enum printer_style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "\033[0m", [STYLE_BOLD] = "\033[1m",    [STYLE_DIM] = "\033[2m",
        [STYLE_RED] = "\033[31m",  [STYLE_YELLOW] = "\033[33m", [STYLE_GREEN] = "\033[32m",
        [STYLE_CYAN] = "\033[36m",
    };

    if (printer->colour)
        fputs(codes[style], printer->out);
}

void printer_styled(const struct printer *printer, enum printer_style style, const char *text)
{
    printer_style(printer, style);
    printer_foreign(printer, span_str(text));
    printer_style(printer, STYLE_PLAIN);
}

/* ---- text of others ---- */

void printer_foreign(const struct printer *printer, struct span text)
{
    scoped(mem_release) char *escaped = escape_text(text);

    fputs(escaped, printer->out);
}

/* ---- line breaks ---- */

size_t printer_columns(struct span text)
{
    size_t columns = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        columns += c >= 0x20 && c != 0x7f && (c & 0xc0) != 0x80;
    }
    return columns;
}

static void indent_by(FILE *out, unsigned columns)
{
    fprintf(out, "%*s", (int)columns, "");
}

unsigned printer_flow(const struct printer *printer, unsigned column, unsigned indent,
                      struct span text)
{
    scoped(mem_release) char *escaped = escape_text(text);
    struct span rest = span_str(escaped), word;
    bool first = true; /* of its line */

    if (printer->width && indent + NARROWEST > printer->width)
        indent = 0;
    while (span_next(&rest, ' ', &word)) {
        size_t wide = printer_columns(word);
        if (printer->width && !first && column + 1 + wide > printer->width) {
            fputc('\n', printer->out);
            indent_by(printer->out, indent);
            column = indent;
            first = true;
        }
        if (!first) {
            fputc(' ', printer->out);
            column++;
        }
        fprintf(printer->out, "%.*s", SPAN_ARGS(word));
        column += (unsigned)wide;
        first = false;
    }
    return column;
}

void printer_wrap(const struct printer *printer, unsigned column, unsigned indent, const char *text)
{
    printer_flow(printer, column, indent, span_str(text));
    fputc('\n', printer->out);
}

/* ---- commands ---- */

static bool is_program(struct span text)
{
    static const char *const programs[] = {
        "bpftool",          "chronyc",   "curl",        "docker", "firewall-cmd",
        "gardien",          "ip",        "iptables",    "nc",     "iptables-legacy",
        "ip6tables-legacy", "ip6tables", "journalctl",  "netsh",  "nft",
        "openssl",          "pfctl",     "ss",          "sudo",   "sysctl",
        "systemctl",        "tc",        "timedatectl", "ufw",
    };
    struct span word;

    if (!span_next(&text, ' ', &word) || !text.len)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        if (span_equal(word, span_str(programs[i])))
            return true;
    return false;
}

/* A command stands at the start or behind a colon, and goes on to the end or to ", or ".
 * @return whether there is one */
static bool find_command(struct span text, size_t *ret_start, size_t *ret_end)
{
    size_t start = 0;

    while (start < text.len && !is_program(span_from(text, start))) {
        ptrdiff_t colon = span_find(span_from(text, start), ':');
        if (colon < 0)
            return false;
        start += (size_t)colon + 1;
        if (start < text.len && text.ptr[start] == ' ')
            start++;
    }
    size_t end = start;
    while (end < text.len && !span_starts(span_from(text, end), SPAN(", or ")))
        end++;
    *ret_start = start;
    *ret_end = end;
    return start < text.len;
}

static void new_line(const struct printer *printer, unsigned indent)
{
    fputc('\n', printer->out);
    indent_by(printer->out, indent);
}

void printer_hint(const struct printer *printer, unsigned column, const char *text)
{
    scoped(mem_release) char *escaped = escape_text(span_str(text));
    struct span rest = span_str(escaped);
    unsigned indent = printer->width && column + NARROWEST > printer->width ? 0 : column;
    bool fits = !printer->width || column + printer_columns(rest) <= printer->width;
    size_t start, end;

    while (!fits && find_command(rest, &start, &end)) {
        if (start) {
            printer_flow(printer, column, indent, span_trim(span_of(rest.ptr, start)));
            new_line(printer, indent);
        }
        fprintf(printer->out, "%.*s", (int)(end - start), rest.ptr + start);
        rest = span_from(rest, end);
        if (span_starts(rest, SPAN(", ")))
            rest = span_from(rest, 2);
        column = indent;
        if (rest.len)
            new_line(printer, indent);
    }
    printer_flow(printer, column, indent, rest);
    fputc('\n', printer->out);
}
