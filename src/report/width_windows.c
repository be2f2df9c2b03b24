/* Windows tells of the part of the console that is seen. */
#include <windows.h>

#include <io.h>

#include "report/width.h"

unsigned width_of(FILE *out)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    if (!GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(_fileno(out)), &info))
        return 0;
    return (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
}
