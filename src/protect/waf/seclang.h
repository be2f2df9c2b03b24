/* The directives of SecLang files as words with their lines: quotes, continued lines and comments
 * as Apache's configuration has them. What a directive means is load.h's. */
#pragma once

#include "base/error.h"
#include "base/span.h"

enum { SECLANG_WORDS_MAX = 16 };

struct seclang_reader {
    struct span rest; /**< not read yet */
    unsigned line;    /**< of what comes next, from 1 */
    char *text;       /**< the present directive, unquoted; owned */
    size_t room;
};

/** One directive; its words live until the next is read. */
struct seclang_directive {
    struct span words[SECLANG_WORDS_MAX]; /**< the first is its name */
    size_t count;
    unsigned line; /**< where it begins */
};

void seclang_begin(struct seclang_reader *reader, struct span text);
void seclang_finish(struct seclang_reader *reader);
/** @return 1 with a directive; 0 at the end; ERR_SYNTAX for a quote that is never closed, ERR_LIMIT
 *  for too many words: `ret_directive->line` says where */
must_check int seclang_next(struct seclang_reader *reader, struct seclang_directive *ret_directive);
