/* Paths as they are given on the command line. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

char *absolute_path(const char *path)
{
    scoped(mem_release) char *here = getcwd(NULL, 0);

    if (path[0] == '/' || !here)
        return mem_string(span_str(path));
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    return strcmp(path, ".") == 0 || !*path ? mem_string(span_str(here))
                                            : mem_format("%s/%s", here, path);
}
