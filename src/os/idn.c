/* International host names by libidn2. */
#include "os/idn.h"

#include <idn2.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

int idn_to_ascii(const char *name, char **ret_ascii)
{
    bool wildcard = span_starts(span_str(name), SPAN("*."));
    char *ascii = NULL;
    int r =
        idn2_to_ascii_8z(wildcard ? name + 2 : name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

    if (r != IDN2_OK)
        return ERR_SYNTAX;
    *ret_ascii = mem_format("%s%s", wildcard ? "*." : "", ascii);
    idn2_free(ascii);
    return 0;
}
