/* This process as Linux sees it. */
#include "os/self.h"

#include <unistd.h>

#include "os/process.h"

bool self_is_privileged(void)
{
    return geteuid() == 0;
}

char *self_program(void)
{
    return process_program();
}

void self_close_from(int first)
{
    close_range((unsigned)first, ~0u, 0);
}
