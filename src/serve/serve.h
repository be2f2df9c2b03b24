/* Serving, as the higher layers see it: sites, static files, and the server of one worker. */
#pragma once

#include "serve/access_log.h"
#include "serve/files/files.h"
#include "serve/files/guard.h"
#include "serve/fixed.h"
#include "serve/handler.h"
#include "serve/proxy/proxy.h"
#include "serve/proxy_trust.h"
#include "serve/redirect.h"
#include "serve/request.h"
#include "serve/route.h"
#include "serve/server.h"
#include "serve/sites.h"
#include "serve/transport/proxy_protocol.h"
