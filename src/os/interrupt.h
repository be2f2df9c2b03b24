/* Being told to stop from outside: Ctrl-C, or the system's polite request to end. */
#pragma once

#include <signal.h>

#include "base/nsec.h"

/** From now on an interruption sets *flag to 1 in place of ending this process, and writing to a
 * peer that has gone is an error value. Once a process. */
void interrupt_watch(volatile sig_atomic_t *flag);
/** Waits, after interrupt_watch(); an interruption ends it, also one that came before.
 *  @param pause  ns, below a day */
void interrupt_pause(nsec_t pause);
