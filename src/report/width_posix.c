/* Systems like Unix tell by an ioctl. */
#include "report/width.h"

#include <sys/ioctl.h>

unsigned width_of(FILE *out)
{
    struct winsize size;

    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
