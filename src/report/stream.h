/* What a stream leads to: stream_posix.c, stream_windows.c. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

bool stream_is_terminal(FILE *out);
/** How wide its terminal is. @return columns; 0 when it is not told, or is no terminal */
unsigned stream_width(FILE *out);
