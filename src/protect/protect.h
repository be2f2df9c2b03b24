/* Protection as the higher layers see it: a question goes in, a verdict comes out. */
#pragma once

#include "protect/answers.h"
#include "protect/cross_origin.h"
#include "protect/limits.h"
#include "protect/notes.h"
#include "protect/peer_network.h"
#include "protect/peers.h"
#include "protect/rates.h"
#include "protect/rules.h"
#include "protect/secrets.h"
#include "protect/shared.h"
#include "protect/stages.h"
#include "protect/waf/policy.h"
#include "protect/waf/settings.h"
