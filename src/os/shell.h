/* Command lines that people are shown, to be pasted into a shell. */
#pragma once

#include <stdbool.h>

/** The text as one word of a POSIX shell, quoted where it needs it. @return for free() */
char *shell_word(const char *text);
/** How this program is called, as a word: "gardien" where PATH finds just this file, else its path.
 *  @param root  as root calls it through sudo, whose PATH has the system's folders alone
 *  @return for free() */
char *shell_program(bool root);
/** What makes root run a command line: "sudo LINE", or "su -c 'LINE'" where there is no sudo.
 *  @return for free() */
char *shell_as_root(const char *line);
