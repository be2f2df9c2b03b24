/* A finding: what was seen, how bad it is, how to fix it. Higher layers collect findings; how they
 * look as text or JSON is said here, once. */
#pragma once

#include <jansson.h>

#include "base/macros.h"
#include "base/nsec.h"

struct printer;

enum finding_grade {
    FINDING_GOOD,
    FINDING_NOTE,    /**< worth knowing, nothing to do */
    FINDING_UNKNOWN, /**< could not be told */
    FINDING_WARNING, /**< works, but not well or not for all */
    FINDING_BAD,     /**< does not work */
};

struct finding {
    enum finding_grade grade;
    char *topic;    /**< a word that programs can rely on: "dns", "tcp", "firewall" */
    char *subject;  /**< what it is about: an address, a port, a name; may be NULL */
    char *sentence; /**< what was seen */
    char *hint;     /**< what to do; NULL where there is nothing to do */
    nsec_t took;    /**< how long the look took, ns; < 0: not measured */
    json_t *facts;  /**< more for programs, an object; NULL for none */
};

/** In the order in which they were found. All zero is empty. At most 1,000 are kept. */
struct findings {
    struct finding *items;
    size_t count;
    size_t dropped; /**< how many came after the last that was kept */
};

/** Adds a finding without subject, hint, time and facts; the result (never NULL) can be given them
 *  until the next is added.
 *  @param topic     a literal or a string that is copied
 *  @param sentence  whole, ends without a full stop */
struct finding *findings_add(struct findings *findings, enum finding_grade grade, const char *topic,
                             const char *sentence, ...) printf_like(4, 5);
void finding_subject(struct finding *finding, const char *subject, ...) printf_like(2, 3);
void finding_hint(struct finding *finding, const char *hint, ...) printf_like(2, 3);
/** Sets a fact; the reference to `value` is taken. */
void finding_fact(struct finding *finding, const char *key, json_t *value);
/** The worst grade among them; FINDING_GOOD for none. */
enum finding_grade findings_worst(const struct findings *findings);
/** The first of that grade or worse, or NULL. */
const struct finding *findings_first(const struct findings *findings, enum finding_grade at_least);
void findings_finish(struct findings *findings);

/** "good", "note", "unknown", "warning", "bad" */
const char *finding_grade_name(enum finding_grade grade);
/** One line a finding: mark, topic, subject, sentence, time; the hint beneath. */
void findings_print(const struct printer *printer, const struct findings *findings);
void finding_print(const struct printer *printer, const struct finding *finding);
/** Milliseconds with three decimals; a new reference. */
json_t *milliseconds_json(nsec_t time);
/** An array of objects {grade, topic, subject?, sentence, hint?, milliseconds?, facts?}; a new
 *  reference. */
json_t *findings_json(const struct findings *findings);
