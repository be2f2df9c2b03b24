/* TLS over TCP, as the higher layers see it: contexts (certificates, versions, tickets), sessions
 * that own no socket, and private keys held elsewhere. The only room that calls a TLS library. */
#pragma once

#include "tls/client.h"
#include "tls/context.h"
#include "tls/keys.h"
#include "tls/quic_handshake.h"
#include "tls/session.h"
