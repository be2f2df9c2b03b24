/* The outside eye: a look from another machine at whoever asks for it. Here are both ends of the
 * conversation, who is let in, and how often; the look itself is handed in. */
#pragma once

#include "eye/asker.h"
#include "eye/gate.h"
#include "eye/key.h"
#include "eye/server.h"
#include "eye/words.h"
