/* From SecLang files to rules. What is not known is an error with its file and line, never passed
 * over in silence. */
#pragma once

#include "base/diag.h"
#include "protect/waf/files.h"
#include "protect/waf/rules.h"

/** How rules are loaded. */
struct waf_source {
    struct waf_files *set; /**< where files are read from */
    /** Text that comes before all files, such as the paranoia level; NULL: none. */
    const char *before;
    /** Files in their order; patterns of glob(7) are taken in order of name. Data files
     *  (@pmFromFile) are found beside the file that names them. */
    const char *const *files;
    size_t count;
};

/** @return 0, or ERR_SETTINGS with a diag for each mistake */
must_check int waf_load(const struct waf_source *source, struct diags *diags,
                        struct waf_rules **ret_rules);
