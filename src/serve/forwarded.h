/* Whom a request comes from and which host it asked for, where a trusted proxy stands in front. */
#pragma once

#include "serve/request.h"

/** Fills address, address_learned and host of the request's question. */
void forwarded_find(struct request *r);
