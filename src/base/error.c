/* Words for error values. What to do about an error is said where the user's intent is known. */
#include "base/error.h"

#include <string.h>

const char *error_text(int error)
{
    switch (error) {
    case ERR_LIMIT:
        return "a limit was reached";
    case ERR_SYNTAX:
        return "malformed";
    case ERR_CLOSED:
        return "closed by the peer";
    case ERR_PROTOCOL:
        return "the peer broke the protocol";
    case ERR_TIMEOUT:
        return "took too long";
    case ERR_SETTINGS:
        return "the settings are wrong";
    case ERR_TLS:
        return "TLS failed";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_CHANGED:
        return "changed while it was being read";
    default:
        return error < 0 ? strerror(-error) : "no error";
    }
}
