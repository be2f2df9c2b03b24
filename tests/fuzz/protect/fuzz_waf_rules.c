/* SecLang: any text is loaded, or refused with mistakes; nothing leaks, nothing hangs. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../unit/protect/waf_rig.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(mem_release) char *text = mem_string(span_of((const char *)data, size));
    struct diags diags = {0};

    if (size > 4096)
        return 0;
    struct waf_rules *rules = waf_rig_load(text, &diags);
    if (!rules && diags.errors == 0)
        abort();
    waf_rules_destroy(rules);
    diags_finish(&diags);
    return 0;
}
