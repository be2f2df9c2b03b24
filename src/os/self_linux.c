/* This process as Linux sees it. */
#include "os/self.h"

#include <unistd.h>

#include "base/mem.h"

char *self_program(void)
{
    static const char deleted[] = " (deleted)";
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0)
        return NULL;
    struct span s = span_of(path, (size_t)n);
    if (span_ends(s, SPAN(" (deleted)")))
        s.len -= sizeof deleted - 1;
    return mem_string(s);
}

void self_close_from(int first)
{
    close_range((unsigned)first, ~0u, 0);
}
