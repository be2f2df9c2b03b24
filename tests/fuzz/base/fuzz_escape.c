/* The escaper: whatever bytes come, what leaves it is UTF-8 without a character that it escapes,
 * and escaping again changes nothing; JSON stays as long as its strings want. */
#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shown(const char *shown)
{
    struct span rest = span_str(shown);

    for (size_t length; rest.len; rest = span_from(rest, length)) {
        uint32_t code = 0;
        length = utf8_decode(rest, &code);
        if (length == 0 || escape_needed(code))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of((const char *)data, size);
    scoped(mem_release) char *once = escape_text(text);
    scoped(mem_release) char *twice = escape_text(span_str(once));
    scoped(mem_release) char *json = escape_json(text);

    check_shown(once);
    if (strlen(once) < 65536 && strcmp(once, twice) != 0)
        abort();
    if (strlen(json) > size * 6)
        abort();
    return 0;
}
