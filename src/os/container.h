/* The container that a process runs in, told from its control groups. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/span.h"

/** "docker 0123456789ab", "podman 0123456789ab", "lxc web", "nspawn web", "kubernetes pod 3f2a…".
 *  @param groups  what /proc/PID/cgroup says
 *  @param name    at most 79 bytes and a NUL; "" when it is in none that is known
 *  @return whether it is in one */
bool container_name(struct span groups, char name[80]);
/** The same for a process; "" too when it is gone or hidden. */
bool container_of_process(pid_t pid, char name[80]);
