/* What an eye answers, which may lie: what is taken is bounded, and no byte of it can turn a
 * terminal. */
#include <stdint.h>
#include <stdlib.h>

#include "eye/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    if (text && strlen(text) > 4 * EYE_TEXT_MAX)
        abort();
    for (; text && *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f ||
            (text[0] == '\xc2' && (unsigned char)text[1] < 0xa0)) /* C1 controls */
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eye_answer answer;

    if (size > EYE_ANSWER_MAX || eye_answer_read(span_of((const char *)data, size), &answer) < 0)
        return 0;
    if (!answer.source[0] || answer.findings.count > EYE_FINDINGS_MAX ||
        (!answer.error && !answer.verdict))
        abort();
    check_text(answer.verdict);
    check_text(answer.hint);
    for (size_t i = 0; i < answer.findings.count; i++) {
        check_text(answer.findings.items[i].topic);
        check_text(answer.findings.items[i].subject);
        check_text(answer.findings.items[i].sentence);
        check_text(answer.findings.items[i].hint);
    }
    eye_answer_finish(&answer);
    return 0;
}
