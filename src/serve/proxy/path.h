/* Paths that this program and the server behind it could read in different ways. */
#pragma once

#include "base/arena.h"
#include "base/span.h"

/** Whether the path, as the client wrote it, has a backslash or a dot segment in any disguise:
 *  percent-encoded once or twice, behind an encoded slash, or with a parameter ("..;x"). Routes are
 *  found by the path as it is understood here, but the server gets it as it was written. */
bool path_is_ambiguous(struct span path);
/** The path as a server reads it that takes encoded slashes for slashes and drops parameters
 * (";x").
 *  @param path  decoded, encoded slashes kept as "%2F"
 *  @return `path` itself where that is no difference; ptr NULL when the arena is full */
struct span path_as_others_read(struct arena *arena, struct span path);
