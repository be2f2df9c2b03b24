/* The firewall as other modules see it. */
#pragma once

#include "firewall/linux/ban_rules.h"
#include "firewall/model/path.h"
#include "firewall/model/ruleset.h"
#include "firewall/model/simulate.h"
#include "firewall/plan/apply.h"
#include "firewall/plan/cloud.h"
#include "firewall/plan/facts.h"
#include "firewall/plan/journal.h"
#include "firewall/plan/manager.h"
#include "firewall/plan/open.h"
#include "firewall/plan/plan.h"
#include "firewall/status/status.h"
#include "firewall/trace/why.h"
#include "firewall/windows/policy_plan.h"
#include "os/ports.h"
