/* What answers get on their way out: attributes that cookies lack, and fields that tell browsers to
 * be careful. */
#pragma once

#include "protect/stages.h"

enum cookie_lack { COOKIE_SECURE = 1, COOKIE_HTTP_ONLY = 2, COOKIE_SAME_SITE = 4 };

/** Which attributes a Set-Cookie value lacks. @param secure  the answer goes over TLS
 *  @return bits of enum cookie_lack */
unsigned cookie_lacks(struct span set_cookie, bool secure);

extern const struct protect_policy answers_policy; /**< its state is a struct protect_notes */
