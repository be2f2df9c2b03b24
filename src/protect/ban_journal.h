/* Bans written down, so that they outlive the process and a crash in the middle of a write: lines
 * are appended to one of two files; the other one takes the whole list when the first has become
 * long, and counts from the moment when its last line is there. */
#pragma once

#include "protect/ban_list.h"

struct ban_journal {
    int fds[2]; /**< for reading and writing; the caller's */
    unsigned current;
    uint64_t generation; /**< of the current file */
    size_t lines;        /**< in the current file */
};

/** Reads the newer complete file into the list; lines that are damaged are passed over.
 *  @return how many bans were read, or -errno */
must_check int ban_journal_load(struct ban_journal *journal, struct ban_list *list);
/** A ban was added or changed. @return 0, or -errno */
must_check int ban_journal_add(struct ban_journal *journal, const struct ban *ban);
/** A ban was lifted by hand. @return 0, or -errno */
must_check int ban_journal_lift(struct ban_journal *journal, const struct peer_network *network);
/** Whether the current file has far more lines than the list has bans. */
bool ban_journal_is_long(const struct ban_journal *journal, const struct ban_list *list);
/** Writes the whole list into the other file, which then is the current one. @return 0, or -errno
 */
must_check int ban_journal_rewrite(struct ban_journal *journal, const struct ban_list *list);
