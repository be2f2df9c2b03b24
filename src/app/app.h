/* The running program as the command line sees it: settings, the guardian, and how to ask one that
 * runs. */
#pragma once

#include "app/control.h"
#include "app/diag_json.h"
#include "app/guardian.h"
#include "app/prepare.h"
#include "app/settings.h"
#include "app/upstreams.h"
