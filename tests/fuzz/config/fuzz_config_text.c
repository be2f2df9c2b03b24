/* Any text as settings: what decodes must flatten to a text that decodes to the same values, and
 * what does not must say so at a place that can be shown. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../unit/config/rich.h"
#include "base/error.h"
#include "base/escape.h"
#include "config/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void dump_strings(FILE *out, const struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        fprintf(out, "<%s>", strings->items[i]);
}

static void dump_site(FILE *out, const struct rich_site *site)
{
    const struct rich_certificate *certificates = site->certificate.items;

    dump_strings(out, &site->names);
    if (site->files)
        fprintf(out, "files %s %d\n", site->files->root, site->files->listing);
    for (size_t i = 0; i < site->certificate.count; i++)
        fprintf(out, "certificate %s %s\n", certificates[i].file ? certificates[i].file : "-",
                certificates[i].key ? certificates[i].key : "-");
    for (size_t i = 0; i < site->errors.count; i++)
        fprintf(out, "<%s><%s>", site->errors.items[i].key, site->errors.items[i].value);
}

/** Every value of the struct as text, for free(). */
static char *dump(const struct rich *rich)
{
    const struct rich_site *sites = rich->sites.items;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    must(out, "memory");
    dump_strings(out, &rich->listen.https);
    fputc('\n', out);
    dump_strings(out, &rich->listen.http);
    for (size_t i = 0; i < rich->sites.count; i++)
        dump_site(out, &sites[i]);
    fprintf(out, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %d\n", rich->workers,
            rich->size, rich->deadline, rich->free_number, rich->strict, rich->profile);
    fprintf(out, "%s\n%s\n", rich->title ? rich->title : "(none)",
            rich->log ? rich->log : "(none)");
    dump_strings(out, &rich->paths);
    must(fclose(out) == 0, "memory");
    return text;
}

/* As print_diags() shows it. */
static void check_text(const char *text)
{
    char *shown = escape_text(span_str(text));
    struct span rest = span_str(shown);

    for (size_t len; rest.len; rest = span_from(rest, len)) {
        uint32_t code = 0;
        len = utf8_decode(rest, &code);
        must(len > 0, "a message is UTF-8");
        must(!escape_needed(code), "a message has no controls");
    }
    free(shown);
}

static void check_diags(const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        check_text(diag->sentence);
        check_text(diag->hint);
        check_text(diag->line_text);
        must(diag->line && diag->column && diag->file, "a mistake has a place");
    }
}

static void check_flattened(const struct config_tree *tree, const struct rich *rich)
{
    struct diags diags = {0};
    struct rich again = {0};
    struct config_tree *second = NULL;
    char *flat = config_tree_flatten(tree, rich_rows);

    must(config_parse(span_str(flat), "flat", NULL, true, &diags, &second) == 0,
         "flat text parses");
    must(config_decode(second, rich_rows, &again, &diags) == 0, "flat text decodes");
    char *before = dump(rich), *after = dump(&again);
    char *flat_again = config_tree_flatten(second, rich_rows);
    must(strcmp(before, after) == 0, "the values are the same");
    must(strcmp(flat, flat_again) == 0, "flattening again changes nothing");
    must(diags.count == 0, "no mistakes");
    free(before);
    free(after);
    free(flat);
    free(flat_again);
    config_release(rich_rows, &again);
    config_tree_destroy(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct diags diags = {0};
    struct config_tree *tree = NULL;
    struct rich rich = {0};

    if (memmem(data, size, "nclude", 6)) /* the file system is no part of this */
        return 0;
    setenv("FUZZ", "a \"value\" ${FUZZ}", 1);
    int r = config_parse(text, "fuzz", "/nowhere", false, &diags, &tree);
    if (r == 0) {
        r = config_decode(tree, rich_rows, &rich, &diags);
        if (r == 0)
            check_flattened(tree, &rich);
        else
            free(config_tree_flatten(tree, rich_rows));
        config_complain(tree, &diags, "sites[1].errors.404", "a check failed");
    }
    must((r == 0 && diags.errors <= 1) || (r == ERR_SETTINGS && diags.errors), "errors are told");
    check_diags(&diags);
    config_release(rich_rows, &rich);
    config_tree_destroy(tree);
    diags_finish(&diags);
    return 0;
}
