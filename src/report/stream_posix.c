/* Systems like Unix. */
#include "report/stream.h"

#include <sys/ioctl.h>
#include <unistd.h>

bool stream_is_terminal(FILE *out)
{
    return isatty(fileno(out)) == 1;
}

unsigned stream_width(FILE *out)
{
    struct winsize size;

    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
