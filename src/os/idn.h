/* International host names: from the way people write them to the one that goes over the wire. What
 * a host name may be otherwise is its users' business. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

/** Whether it has a character outside of ASCII. */
static inline bool idn_is_international(const char *name)
{
    while (*name && (unsigned char)*name < 0x80)
        name++;
    return *name != '\0';
}

/** "Bücher.example" as "xn--bcher-kva.example"; a first label of "*" stays.
 *  @param name  UTF-8
 *  @param ret_ascii  for free()
 *  @return 0, or ERR_SYNTAX for what IDNA2008 does not allow (RFC 5891; mapped by UTS #46,
 *  non-transitional, as browsers do); ERR_NOT_FOUND on a system that cannot convert */
must_check int idn_to_ascii(const char *name, char **ret_ascii);
