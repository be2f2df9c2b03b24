/* The candidate that somebody most likely meant. Which words are candidates is the caller's. */
#include <stdint.h>

#include "config/config.h"

enum { WORD_MAX = 48 };

/** Letters alike for our purpose: case aside, and `-` is `_`. */
static char fold(char c)
{
    return c == '-' ? '_' : ascii_lower(c);
}

static unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/** How many insertions, deletions, replacements and swaps of neighbours lead from a to b (optimal
 *  string alignment). Both are at most WORD_MAX long. */
static unsigned distance(struct span a, struct span b)
{
    unsigned rows[3][WORD_MAX + 1];

    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *over = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = fold(a.ptr[i - 1]) == fold(b.ptr[j - 1]);
            row[j] = min(min(above[j], row[j - 1]) + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a.ptr[i - 1]) == fold(b.ptr[j - 2]) &&
                fold(a.ptr[i - 2]) == fold(b.ptr[j - 1]))
                row[j] = min(row[j], over[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

static bool begins(struct span word, struct span with)
{
    return with.len >= 3 && word.len >= with.len &&
           distance(span_of(word.ptr, with.len), with) == 0;
}

const char *config_nearest(const char *word, const char *const *candidates, size_t count)
{
    struct span wanted = span_str(word);
    unsigned allowed = min(3, (unsigned)(wanted.len + 1) / 3);
    const char *best = NULL;
    unsigned best_distance = UINT32_MAX;

    if (wanted.len == 0 || wanted.len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct span candidate = span_str(candidates[i]);
        if (candidate.len > WORD_MAX)
            continue;
        unsigned far = distance(wanted, candidate);
        if (far > allowed && (begins(candidate, wanted) || begins(wanted, candidate)))
            far = allowed + 1; /* `cert` for `certificate`, after every slip of the finger */
        else if (far > allowed || far >= candidate.len)
            continue;
        if (far < best_distance) {
            best = candidates[i];
            best_distance = far;
        }
    }
    return best;
}
