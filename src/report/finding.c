/* Collecting findings, and their two formats. */
#include "report/finding.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "report/printer.h"

enum {
    FINDINGS_MAX = 1000,
    SENTENCE_COLUMN = 14 /* after the topic */
};

static printf_like(1, 0) char *format_text(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

static void finding_finish(struct finding *finding)
{
    free(finding->topic);
    free(finding->subject);
    free(finding->sentence);
    free(finding->hint);
    json_decref(finding->facts);
    *finding = (struct finding){0};
}

struct finding *findings_add(struct findings *findings, enum finding_grade grade, const char *topic,
                             const char *sentence, ...)
{
    va_list args;

    if (findings->count == FINDINGS_MAX) { /* the place behind the last takes what is dropped */
        findings->dropped++;
        finding_finish(&findings->items[FINDINGS_MAX]);
    } else {
        findings->items = mem_resize(findings->items, findings->count + 2, sizeof *findings->items);
        findings->count++;
        findings->items[findings->count] = (struct finding){0};
    }
    struct finding *finding =
        &findings->items[findings->dropped ? FINDINGS_MAX : findings->count - 1];
    va_start(args, sentence);
    *finding = (struct finding){.grade = grade,
                                .topic = mem_string(span_str(topic)),
                                .sentence = format_text(sentence, args),
                                .took = -1};
    va_end(args);
    return finding;
}

void finding_subject(struct finding *finding, const char *subject, ...)
{
    va_list args;

    free(finding->subject);
    va_start(args, subject);
    finding->subject = format_text(subject, args);
    va_end(args);
}

void finding_hint(struct finding *finding, const char *hint, ...)
{
    va_list args;

    free(finding->hint);
    va_start(args, hint);
    finding->hint = format_text(hint, args);
    va_end(args);
}

void finding_fact(struct finding *finding, const char *key, json_t *value)
{
    if (!finding->facts)
        finding->facts = json_object();
    if (!value || json_object_set_new(finding->facts, key, value) < 0)
        abort(); /* out of memory, or a key that is no UTF-8: ours are literals */
}

enum finding_grade findings_worst(const struct findings *findings)
{
    enum finding_grade worst = FINDING_GOOD;

    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].grade > worst)
            worst = findings->items[i].grade;
    return worst;
}

const struct finding *findings_first(const struct findings *findings, enum finding_grade at_least)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].grade >= at_least)
            return &findings->items[i];
    return NULL;
}

void findings_finish(struct findings *findings)
{
    for (size_t i = 0; findings->items && i <= findings->count; i++)
        finding_finish(&findings->items[i]);
    free(findings->items);
    *findings = (struct findings){0};
}

/* ---- formats ---- */

const char *finding_grade_name(enum finding_grade grade)
{
    static const char *const names[] = {
        [FINDING_GOOD] = "good",       [FINDING_NOTE] = "note", [FINDING_UNKNOWN] = "unknown",
        [FINDING_WARNING] = "warning", [FINDING_BAD] = "bad",
    };

    return names[grade];
}

static void print_mark(const struct printer *printer, enum finding_grade grade)
{
    static const struct {
        enum printer_style style;
        const char *symbol, *word;
    } marks[] = {
        [FINDING_GOOD] = {STYLE_GREEN, "✓", "ok"},  [FINDING_NOTE] = {STYLE_CYAN, "·", "--"},
        [FINDING_UNKNOWN] = {STYLE_DIM, "?", "??"}, [FINDING_WARNING] = {STYLE_YELLOW, "!", "!!"},
        [FINDING_BAD] = {STYLE_RED, "✗", "XX"},
    };

    printer_styled(printer, marks[grade].style,
                   printer->unicode ? marks[grade].symbol : marks[grade].word);
    fputs(printer->unicode ? "  " : " ", printer->out);
}

void finding_print(const struct printer *printer, const struct finding *finding)
{
    char took[32] = "";

    if (finding->took >= 0)
        snprintf(took, sizeof took, " (%.1f ms)", (double)finding->took / 1e6);
    print_mark(printer, finding->grade);
    fprintf(printer->out, "%-10s ", finding->topic);
    scoped(mem_release) char *line =
        mem_format("%s%s%s%s", finding->subject ? finding->subject : "",
                   finding->subject ? ": " : "", finding->sentence, took);
    printer_wrap(printer, SENTENCE_COLUMN, SENTENCE_COLUMN, line);
    if (!finding->hint)
        return;
    fprintf(printer->out, "%*s", SENTENCE_COLUMN, "");
    printer_styled(printer, STYLE_GREEN, "->");
    fputc(' ', printer->out);
    printer_hint(printer, SENTENCE_COLUMN + 3, finding->hint);
}

void findings_print(const struct printer *printer, const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        finding_print(printer, &findings->items[i]);
    if (findings->dropped)
        fprintf(printer->out, "and %zu more\n", findings->dropped);
}

json_t *milliseconds_json(nsec_t time)
{
    nsec_t microseconds = time / NSEC_PER_USEC;

    return json_real((double)microseconds / 1e3);
}

/* Escaped when it is not UTF-8, which JSON cannot hold; NULL for NULL. */
static json_t *json_text(const char *text)
{
    json_t *value = text ? json_string(text) : NULL;

    if (value || !text)
        return value;
    scoped(mem_release) char *escaped = escape_text(span_str(text));
    return json_string(escaped);
}

static json_t *finding_json(const struct finding *finding)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:o*, s:o, s:o*, s:O*}", "grade", finding_grade_name(finding->grade), "topic",
        finding->topic, "subject", json_text(finding->subject), "sentence",
        json_text(finding->sentence), "hint", json_text(finding->hint), "facts", finding->facts);

    if (object && finding->took >= 0)
        json_object_set_new(object, "milliseconds", milliseconds_json(finding->took));
    return object;
}

json_t *findings_json(const struct findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++)
        if (json_array_append_new(list, finding_json(&findings->items[i])) < 0)
            abort(); /* no memory, or facts of another kind */
    return list;
}
