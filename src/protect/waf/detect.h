/* Detectors of SQL injection and cross-site scripting (@detectSQLi, @detectXSS), of our own. */
#pragma once

#include "protect/waf/pattern.h"

/** Would the value change the meaning of an SQL statement that it is put into, as it is or between
 *  quotes?
 *  @param captures  the shape that was found, as text
 *  @return 1 or 0 */
int waf_detect_sqli(struct span value, struct waf_captures *captures);
/** Would a browser run a script of the value if it is put into a page, as text or into an
 * attribute?
 *  @return 1 or 0 */
int waf_detect_xss(struct span value, struct waf_captures *captures);
