/* What this process is to the system: may it change the system's settings, where is its program,
 * and where may it keep files. One file a system. */
#pragma once

#include <stdbool.h>

/** At the start of a program: descriptors 0 to 2 are there, so that no file becomes one of them;
 * sockets may be used; on Windows the console takes UTF-8 and colours, and the arguments are UTF-8.
 *  @return 0, or -errno */
int self_start(int *count, char ***arguments);
/** Is a person at this descriptor? On Windows isatty() takes NUL for one, too. */
bool self_is_terminal(int fd);
/** Root; on Windows an administrator whose rights are not held back. */
bool self_is_privileged(void);
/** Path of the running program, links followed, also after its file was replaced.
 *  @return for free(), or NULL when it is not told */
char *self_program(void);
/** Closes every descriptor from this one on. Not on Windows, where no child inherits what it is not
 *  given. */
void self_close_from(int first);
