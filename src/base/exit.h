/* Exit codes of every verb, as the manual lists them. */
#pragma once

enum app_exit {
    APP_OK = 0,
    APP_FAILED = 1,
    APP_USAGE = 2,       /**< the command line or the settings are wrong */
    APP_NOT_RUNNING = 3, /**< there is no gardien with this state folder */
};
