/* How wide a terminal is: width_posix.c, width_windows.c. */
#pragma once

#include <stdio.h>

/** @return columns; 0 when it is not told, or is no terminal */
unsigned width_of(FILE *out);
