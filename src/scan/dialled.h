/* What a connection or datagram that the kernel sent for us says about a port. */
#pragma once

#include "os/dial.h"
#include "scan/answers.h"

/** Fills state, reason and box from what dial_result() or dial_take_failure() said.
 *  @param result  0 when it was accepted, else -errno */
void scan_dialled(struct scan_answer *answer, struct scan_boxes *boxes, int result,
                  const struct dial_failure *failure);
