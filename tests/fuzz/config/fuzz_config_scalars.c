/* Any bytes as a size, a duration, a number, and as a word to correct: what is read is written back
 * as a text that reads the same. */
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "config/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static void check_numbers(struct span text)
{
    int64_t value, again;
    bool flag;

    if (config_parse_size(text, &value) == 0) {
        char *written = value_format_size(value);
        must(value >= 0 && config_parse_size(span_str(written), &again) == 0 && again == value,
             "a size reads back");
        free(written);
    }
    if (config_parse_duration(text, &value) == 0) {
        char *written = value_format_duration(value);
        must(value >= 0 && config_parse_duration(span_str(written), &again) == 0 && again == value,
             "a duration reads back");
        free(written);
    }
    if (value_parse_int(text, &value) == 0) {
        char *written = mem_format("%lld", (long long)value);
        must(value_parse_int(span_str(written), &again) == 0 && again == value,
             "a number reads back");
        free(written);
        must(value_parse_bool(text, &flag) < 0, "a number is no flag");
    }
}

static void check_cut(struct span text)
{
    char *cut = text_cut(text, 50);

    must(strlen(cut) <= 50, "a text is cut");
    must(text.len > 50 || strlen(cut) == text.len, "a short one is whole");
    free(cut);
}

static void check_nearest(struct span text)
{
    static const char *const words[] = {"files", "fallback", "header_size", "names", "on", ""};
    char *word = mem_string(text);
    const char *found = config_nearest(word, words, ARRAY_SIZE(words));
    const char *self[] = {word};

    must(!found || *found, "an empty word is never meant");
    if (strlen(word) > 1 && strlen(word) < 40)
        must(config_nearest(word, self, 1) == word, "a word is near to itself");
    free(word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};

    check_numbers(text);
    check_cut(text);
    check_nearest(text);
    return 0;
}
