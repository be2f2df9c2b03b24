/* Who must never be banned whatever the settings say, lest the machine cut itself off. */
#pragma once

#include "protect/protect.h"

/** @return why, as a sentence's end ("is this machine"), or NULL */
const char *ban_never(const struct peer_network *network);
