/* This process as Windows sees it. */
#include <windows.h>

#include <stdlib.h>

#include "base/mem.h"
#include "os/self.h"

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
