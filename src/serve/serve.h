/* Serving, as the higher layers see it: sites, static files, and the server of one worker. */
#pragma once

#include "serve/access_log.h"
#include "serve/files.h"
#include "serve/proxy_protocol.h"
#include "serve/server.h"
#include "serve/sites.h"
