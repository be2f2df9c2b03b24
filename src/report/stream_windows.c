/* Windows, where isatty() takes NUL for a terminal; the width is that of the part that is seen. */
#include <windows.h>

#include <io.h>

#include "report/stream.h"

static HANDLE handle_of(FILE *out)
{
    return (HANDLE)_get_osfhandle(_fileno(out));
}

bool stream_is_terminal(FILE *out)
{
    DWORD mode;

    return GetConsoleMode(handle_of(out), &mode);
}

unsigned stream_width(FILE *out)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    if (!GetConsoleScreenBufferInfo(handle_of(out), &info))
        return 0;
    return (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
}
