/* International host names by Windows' own conversion, IdnToAscii(), which follows IDNA2003. */
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/idn.h"
#include "os/net.h"

#include <winnls.h>

enum { NAME_MAX_WIDE = 256 /* DNS names are shorter */ };

int idn_to_ascii(const char *name, char **ret_ascii)
{
    wchar_t wide[NAME_MAX_WIDE], ascii[NAME_MAX_WIDE];
    char out[NAME_MAX_WIDE];
    int len = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, wide, NAME_MAX_WIDE);

    if (len > 0)
        len = IdnToAscii(0, wide, len, ascii, NAME_MAX_WIDE);
    if (len <= 0)
        return ERR_SYNTAX;
    for (int i = 0; i < len; i++)
        out[i] = (char)ascii[i];
    *ret_ascii = mem_string(span_str(out));
    return 0;
}
