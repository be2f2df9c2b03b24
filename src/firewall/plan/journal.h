/* What gardien did and may take back, kept in the state folder for managers whose rules carry no
 * tag. Where a rule is tagged, the tag in the kernel is the truth and this only its copy. */
#pragma once

#include "base/diag.h"
#include "firewall/plan/plan.h"

/** The list of {manager, port, detail?} from firewall.json in the state folder; empty when there is
 *  none or it cannot be read. @return a new reference */
json_t *journal_load(const char *state);
/** Is a port of this manager in the list?
 *  @param ret_detail  what was kept with it, borrowed, or NULL; may be NULL */
bool journal_find(const json_t *list, const char *manager, struct port port,
                  const char **ret_detail);
/** Is it what this manager did for the port, as port_text() writes it? */
bool journal_is_of(const json_t *entry, const char *manager, const char *port);
/** Enters what the steps of an applied plan did or took back into the file.
 *  @param undone  the plan was taken back: the other way round
 *  @return 0, or -errno told in diags */
must_check int journal_record(const char *state, const struct plan *plan, bool undone,
                              struct diags *diags);
