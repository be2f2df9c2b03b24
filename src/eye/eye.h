/* The outside eye: a check from another machine of whoever asks for it. Here are both ends of the
 * conversation, who is let in, and how often; the check itself is handed in. */
#pragma once

#include "eye/admission.h"
#include "eye/asker.h"
#include "eye/key.h"
#include "eye/protocol.h"
#include "eye/server.h"
