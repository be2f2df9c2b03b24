/* Systems like Unix. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "os/self.h"

int self_start(int *count, char ***arguments)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            return -errno;
    return 0;
}

bool self_is_terminal(int fd)
{
    return isatty(fd) != 0;
}

bool self_is_privileged(void)
{
    return geteuid() == 0;
}
