/* The lines are:
 *
 *   gardien-bans GENERATION
 *   ban NETWORK SINCE UNTIL STRIKES CAUSE LEARNED WHY
 *   lift NETWORK
 *   complete
 */
#include "protect/ban_journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

enum { FILE_SIZE_MAX = 128 << 20, LINE_SIZE_MAX = 512, LINES_SPARE = 1000 };

/* ---- reading ---- */

static int read_all(int fd, struct buffer *text)
{
    char bytes[16384];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, bytes, sizeof bytes, at)) > 0) {
        if (buffer_append(text, bytes, (size_t)n) < 0)
            return -EFBIG;
        at += n;
    }
    return n < 0 ? -errno : 0;
}

static bool next_number(struct span *rest, uint64_t *ret_number)
{
    struct span word;

    return span_next(rest, ' ', &word) && span_to_uint(word, ret_number) >= 0;
}

/** What stands behind "ban ". */
static int read_ban(struct span rest, struct ban *ban)
{
    struct span word;
    uint64_t since, until, strikes, learned;

    *ban = (struct ban){.strikes = 0};
    if (!span_next(&rest, ' ', &word) || peer_network_parse(word, &ban->network) < 0 ||
        !next_number(&rest, &since) || !next_number(&rest, &until) ||
        !next_number(&rest, &strikes) || !span_next(&rest, ' ', &word) ||
        ban_cause_parse(word, &ban->cause) < 0 || !next_number(&rest, &learned))
        return ERR_SYNTAX;
    if (since > INT64_MAX / 2 || until > INT64_MAX / 2 || strikes > 1000000)
        return ERR_SYNTAX;
    ban->since = (nsec_t)since;
    ban->until = (nsec_t)until;
    ban->strikes = (unsigned)strikes;
    ban->learned = learned != 0;
    ban->in_force = true; /* the next look at the clock tells */
    snprintf(ban->why, sizeof ban->why, "%.*s", SPAN_ARGS(rest));
    return 0;
}

static void take_line(struct span line, struct ban_list *list)
{
    struct peer_network network;
    struct ban ban;

    if (span_starts(line, SPAN("ban ")) && read_ban(span_from(line, 4), &ban) >= 0)
        (void)ban_list_restore(list, &ban);
    else if (span_starts(line, SPAN("lift ")) &&
             peer_network_parse(span_from(line, 5), &network) >= 0)
        (void)ban_list_lift(list, &network);
}

/** @return the generation, or 0 for a file that is not complete */
static uint64_t generation_of(struct span text)
{
    static const struct span head = {"gardien-bans ", 13};
    struct span line;
    uint64_t generation = 0;

    if (!span_starts(text, head) || span_find_span(text, SPAN("\ncomplete\n")) < 0)
        return 0;
    struct span rest = span_from(text, head.len);
    if (!span_next(&rest, '\n', &line) || span_to_uint(line, &generation) < 0)
        return 0;
    return generation;
}

int ban_journal_load(struct ban_journal *journal, struct ban_list *list)
{
    struct buffer texts[2] = {buffer_make(FILE_SIZE_MAX), buffer_make(FILE_SIZE_MAX)};
    uint64_t generations[2] = {0, 0};
    struct span rest, line;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < 2; i++) {
        r = read_all(journal->fds[i], &texts[i]);
        generations[i] = generation_of(buffer_span(&texts[i]));
    }
    journal->current = generations[1] > generations[0];
    journal->generation = generations[journal->current];
    journal->lines = 0;
    rest = buffer_span(&texts[journal->current]);
    while (r >= 0 && journal->generation && span_next(&rest, '\n', &line)) {
        journal->lines++;
        if (rest.ptr) /* else the line was cut off in the middle */
            take_line(line, list);
    }
    buffer_finish(&texts[0]);
    buffer_finish(&texts[1]);
    return r < 0 ? r : (int)list->bans.used;
}

/* ---- writing ---- */

/** What people wrote stays on its line. */
static void print_why(struct buffer *out, const char *why)
{
    for (; *why; why++) {
        char c = (unsigned char)*why < ' ' || *why == 127 ? '?' : *why;
        int r = buffer_append(out, &c, 1);
        (void)r;
    }
}

static void print_ban(struct buffer *out, const struct ban *ban)
{
    char network[PEER_NETWORK_TEXT];

    peer_network_text(&ban->network, network);
    int r =
        buffer_printf(out, "ban %s %" PRId64 " %" PRId64 " %u %s %d ", network, (int64_t)ban->since,
                      (int64_t)ban->until, ban->strikes, ban_cause_name(ban->cause), ban->learned);
    print_why(out, ban->why);
    if (r >= 0)
        r = buffer_append(out, "\n", 1);
    (void)r; /* the buffer has room for a line */
}

static int write_all(int fd, struct span bytes, off_t at)
{
    while (bytes.len) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, at);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes = span_from(bytes, (size_t)n);
            at += n;
        }
    }
    return 0;
}

static int append(struct ban_journal *journal, struct span line)
{
    int fd = journal->fds[journal->current];
    off_t end = lseek(fd, 0, SEEK_END);
    char last = '\n';

    if (end < 0)
        return -errno;
    if (end > FILE_SIZE_MAX / 2)
        return -EFBIG;
    if (end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n') { /* cut off in the middle */
        int r = write_all(fd, SPAN("\n"), end++);
        if (r < 0)
            return r;
    }
    journal->lines++;
    return write_all(fd, line, end);
}

int ban_journal_add(struct ban_journal *journal, const struct ban *ban)
{
    struct buffer line = buffer_make(LINE_SIZE_MAX);

    print_ban(&line, ban);
    int r = append(journal, buffer_span(&line));
    buffer_finish(&line);
    return r;
}

int ban_journal_lift(struct ban_journal *journal, const struct peer_network *network)
{
    char text[PEER_NETWORK_TEXT], line[PEER_NETWORK_TEXT + 8];

    peer_network_text(network, text);
    int len = snprintf(line, sizeof line, "lift %s\n", text);
    return append(journal, span_of(line, (size_t)len));
}

bool ban_journal_is_long(const struct ban_journal *journal, const struct ban_list *list)
{
    return journal->lines > 2 * list->bans.used + LINES_SPARE;
}

int ban_journal_rewrite(struct ban_journal *journal, const struct ban_list *list)
{
    unsigned other = journal->generation ? !journal->current : journal->current;
    struct buffer text = buffer_make(FILE_SIZE_MAX);
    size_t cursor = 0, lines = 2;
    const struct ban *ban;

    int r = buffer_printf(&text, "gardien-bans %" PRIu64 "\n", journal->generation + 1);
    while ((ban = ban_list_next(list, &cursor))) {
        print_ban(&text, ban);
        lines++;
    }
    if (r >= 0)
        r = buffer_append(&text, "complete\n", 9);
    if (r >= 0 && ftruncate(journal->fds[other], 0) < 0)
        r = -errno;
    if (r >= 0)
        r = write_all(journal->fds[other], buffer_span(&text), 0);
    if (r >= 0 && fdatasync(journal->fds[other]) < 0)
        r = -errno;
    buffer_finish(&text);
    if (r < 0)
        return r;
    journal->current = other;
    journal->generation++;
    journal->lines = lines;
    return 0;
}
