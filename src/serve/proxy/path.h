/* Paths that this program and the server behind it could read in different ways. */
#pragma once

#include "base/span.h"

/** Whether the path, as the client wrote it, has a backslash or a dot segment in any disguise:
 *  percent-encoded once or twice, behind an encoded slash, or with a parameter ("..;x"). Routes are
 *  found by the path as it is understood here, but the server gets it as it was written. */
bool path_is_ambiguous(struct span path);
