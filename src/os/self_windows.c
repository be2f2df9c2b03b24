/* This process as Windows sees it. */
#include "os/net.h" /* before windows.h */

#include <io.h>
#include <shellapi.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/self.h"

/* UTF-16 as UTF-8. @return for free() */
static char *narrow(const wchar_t *wide)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = mem_zalloc((size_t)size + 1);

    WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, size, NULL, NULL);
    return text;
}

static void use_colours(DWORD stream)
{
    HANDLE console = GetStdHandle(stream);
    DWORD mode;

    if (GetConsoleMode(console, &mode)) /* fails where it is none */
        SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

int self_start(int *count, char ***arguments)
{
    int wide_count;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &wide_count);

    SetConsoleOutputCP(CP_UTF8);
    use_colours(STD_OUTPUT_HANDLE);
    use_colours(STD_ERROR_HANDLE);
    if (wide) {
        char **narrowed = mem_zalloc(((size_t)wide_count + 1) * sizeof *narrowed);
        for (int i = 0; i < wide_count; i++)
            narrowed[i] = narrow(wide[i]);
        LocalFree(wide);
        *count = wide_count;
        *arguments = narrowed; /* as long as the program runs */
    }
    return net_start();
}

bool self_is_terminal(int fd)
{
    DWORD mode;

    return GetConsoleMode((HANDLE)_get_osfhandle(fd), &mode) != 0;
}

bool self_is_privileged(void)
{
    TOKEN_ELEVATION elevation = {0};
    HANDLE token;
    DWORD size;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return false;
    bool told = GetTokenInformation(token, TokenElevation, &elevation, sizeof elevation, &size);
    CloseHandle(token);
    return told && elevation.TokenIsElevated;
}

char *self_program(void)
{
    enum { PATH_MOST = 32768 }; /* what Windows allows, in UTF-16 */
    wchar_t *wide = mem_resize(NULL, PATH_MOST, sizeof *wide);
    char *path = NULL;
    DWORD length = GetModuleFileNameW(NULL, wide, PATH_MOST);

    if (length > 0 && length < PATH_MOST) {
        path = mem_alloc(3 * (size_t)length + 1);
        int bytes =
            WideCharToMultiByte(CP_UTF8, 0, wide, (int)length, path, 3 * (int)length, NULL, NULL);
        path[bytes] = '\0';
    }
    free(wide);
    return path;
}
