/* Sets of phrases, any of which a value may contain; letters match in either case (@pm). */
#pragma once

#include "base/error.h"
#include "base/span.h"

struct waf_phrases;

struct waf_phrases *waf_phrases_create(void);
void waf_phrases_destroy(struct waf_phrases *phrases);
/** Adds one; an empty one is passed over. */
void waf_phrases_add(struct waf_phrases *phrases, struct span phrase);
/** After the last waf_phrases_add(). */
void waf_phrases_seal(struct waf_phrases *phrases);
/** The first place where one stands. @return whether there is one */
bool waf_phrases_find(const struct waf_phrases *phrases, struct span value, struct span *ret_found);
