/* What handlers, filters and policies see of HTTP: messages, exchanges and what their fields mean.
 * Transports include http/engine.h, http/server.h and http/pool.h as well. */
#pragma once

#include "http/exchange.h"
#include "http/fetch.h"
#include "http/message.h"
#include "http/message_limits.h"
#include "http/semantics/semantics.h"
