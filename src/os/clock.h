/* Whether the wall clock can be believed. */
#pragma once

#include <stdbool.h>

/** Is it synchronised, by NTP or such? False also where the kernel does not say. */
bool clock_is_synchronised(void);
