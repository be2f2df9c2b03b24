/* For systems without a library for international host names. */
#include "base/error.h"
#include "os/idn.h"

int idn_to_ascii(const char *name, char **ret_ascii)
{
    return ERR_NOT_FOUND;
}
