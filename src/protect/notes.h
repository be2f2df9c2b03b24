/* Lines of the error log about what policies refuse, or would refuse. An attacker who causes them
 * gets a bounded number. */
#pragma once

#include "base/log.h"
#include "protect/stages.h"

struct protect_notes {
    const struct log *log;
    nsec_t second;    /**< the beginning of the second that is counted */
    unsigned written; /**< in that second */
    uint64_t dropped; /**< since the last line */
};

/** One line about the request: policy, what is done, who asked for what, and why.
 *  @param refused  false: it is watched only
 *  @param reason  static text */
void protect_note(struct protect_notes *notes, const struct protect_question *question,
                  const char *policy, bool refused, const char *reason);
