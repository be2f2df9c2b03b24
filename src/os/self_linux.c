/* Linux. */
#include <unistd.h>

#include "os/process.h"
#include "os/self.h"

bool self_is_privileged(void)
{
    return geteuid() == 0;
}

char *self_program(void)
{
    return process_program();
}
