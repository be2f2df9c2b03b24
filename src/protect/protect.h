/* Protection as the higher layers see it: a question goes in, a verdict comes out. */
#pragma once

#include "protect/limits.h"
#include "protect/peers.h"
#include "protect/stages.h"
#include "protect/waf/policy.h"
#include "protect/waf/settings.h"
