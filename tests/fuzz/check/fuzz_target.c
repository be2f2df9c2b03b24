/* Hosts as people write them, and where redirects lead: no crash, and what is taken can be written
 * again. */
#include <stdlib.h>

#include "base/mem.h"
#include "check/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_string(span_of((const char *)data, size));
    struct target target, next, again;
    struct expectations expectations;
    struct diags diags = {0};
    bool https;

    if (target_parse(text, &diags, &target) == 0) {
        char *authority = target_authority(&target, 443);
        if (target_parse(authority, &diags, &again) < 0 || again.port != target.port ||
            strcmp(again.host, target.host) != 0)
            abort();
        target_finish(&again);
        if (follow_parse(text, &target, true, &next, &https) == 0)
            target_finish(&next);
        free(authority);
        target_finish(&target);
    }
    struct target from = {.host = (char *)(uintptr_t) "a.example",
                          .path = (char *)(uintptr_t) "/dir/page",
                          .port = 443};
    if (follow_parse(text, &from, true, &next, &https) == 0)
        target_finish(&next);
    if (expectations_parse(text, &diags, &expectations) == 0)
        expectations_finish(&expectations);
    diags_finish(&diags);
    free(text);
    return 0;
}
