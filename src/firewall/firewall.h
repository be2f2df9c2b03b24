/* The firewall as other modules see it. */
#pragma once

#include "firewall/apply.h"
#include "firewall/cloud.h"
#include "firewall/done.h"
#include "firewall/look.h"
#include "firewall/manager.h"
#include "firewall/open.h"
#include "firewall/path.h"
#include "firewall/plan.h"
#include "firewall/policy_plan.h"
#include "firewall/ports.h"
#include "firewall/router.h"
#include "firewall/ruleset.h"
#include "firewall/simulate.h"
#include "firewall/status.h"
#include "firewall/why.h"
