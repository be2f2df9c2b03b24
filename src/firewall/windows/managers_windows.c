/* The managers that may be in force on Windows. */
#include "firewall/plan/manager.h"

const struct manager *const managers[] = {&manager_windows, NULL};
