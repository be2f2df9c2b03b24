/* Certificates: reading and judging them, the local CA with its store, and making a machine trust
 * it. What to serve when is decided above; private keys in use live in the keys process. */
#pragma once

#include "cert/acme/client.h"
#include "cert/acme/names.h"
#include "cert/acme/order.h"
#include "cert/acme/reach.h"
#include "cert/acme/schedule.h"
#include "cert/acme/settings.h"
#include "cert/acme/store.h"
#include "cert/info.h"
#include "cert/judge.h"
#include "cert/local.h"
#include "cert/ocsp.h"
#include "cert/pair.h"
#include "cert/revocation.h"
#include "cert/trust.h"
