/* This process as macOS sees it. */
#include <mach-o/dyld.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/self.h"

char *self_program(void)
{
    uint32_t size = 0;

    _NSGetExecutablePath(NULL, &size);
    scoped(mem_release) char *path = mem_zalloc((size_t)size + 1);
    return _NSGetExecutablePath(path, &size) == 0 ? realpath(path, NULL) : NULL;
}

void self_close_from(int first)
{
    int end = getdtablesize(); /* the soft limit, 256 unless somebody raised it */

    for (int fd = first; fd < end; fd++)
        close(fd);
}
