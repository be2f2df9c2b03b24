/* The managers that may be in force on macOS and its like. */
#include "firewall/plan/manager.h"

const struct manager *const managers[] = {&manager_pf, NULL};
