/* Judges a path by its segments and the end of its last one. Names are compared without regard to
 * case, without a path parameter (";x") and without final dots and spaces, as servers behind may
 * read them. */
#include "protect/secrets.h"

#include "protect/notes.h"

enum { DUMP_DEPTH_MAX = 2 };

static const char version_control[] = "version control is not for visitors";
static const char credentials[] = "a file of settings or credentials is not for visitors";
static const char backup[] = "a backup or an editor's file is not for visitors";
static const char dump[] = "a dump of a database is not for visitors";
static const char administration[] = "a page of the server's administration is not for visitors";

/** Names are lower case; their lengths are known, since every request is compared with all. */
struct named {
    struct span name;
    const char *reason;
};

#define NAMED(text, why)                                                                           \
    {                                                                                              \
        {"" text, sizeof(text) - 1}, why                                                           \
    }

/** Whole segments, anywhere in the path: those that begin with a dot, and others. */
static const struct named dotted[] = {
    NAMED(".git", version_control),
    NAMED(".svn", version_control),
    NAMED(".hg", version_control),
    NAMED(".bzr", version_control),
    NAMED(".git-credentials", credentials),
    NAMED(".gitconfig", credentials),
    NAMED(".env", credentials),
    NAMED(".envrc", credentials),
    NAMED(".htpasswd", credentials),
    NAMED(".htaccess", credentials),
    NAMED(".ssh", credentials),
    NAMED(".aws", credentials),
    NAMED(".azure", credentials),
    NAMED(".gnupg", credentials),
    NAMED(".kube", credentials),
    NAMED(".docker", credentials),
    NAMED(".dockercfg", credentials),
    NAMED(".npmrc", credentials),
    NAMED(".yarnrc.yml", credentials),
    NAMED(".pypirc", credentials),
    NAMED(".netrc", credentials),
    NAMED(".pgpass", credentials),
    NAMED(".my.cnf", credentials),
    NAMED(".s3cfg", credentials),
    NAMED(".boto", credentials),
    NAMED(".vault-token", credentials),
    NAMED(".terraform", credentials),
    NAMED(".bash_history", credentials),
    NAMED(".zsh_history", credentials),
    NAMED(".mysql_history", credentials),
    NAMED(".psql_history", credentials),
    NAMED(".ds_store", backup),
    NAMED(".idea", backup),
    NAMED(".vscode", backup),
};

static const struct named undotted[] = {
    NAMED("terraform.tfstate", credentials), NAMED("id_rsa", credentials),
    NAMED("id_ed25519", credentials),        NAMED("id_ecdsa", credentials),
    NAMED("web-inf", credentials),           NAMED("web.config", credentials),
    NAMED("wp-config.php", credentials),     NAMED("server-status", administration),
    NAMED("server-info", administration),    NAMED("phpinfo.php", administration),
    NAMED("_profiler", administration),      NAMED("heapdump", administration),
};

/** Segments that follow each other. */
static const struct named pairs[] = {
    NAMED("actuator/env", administration),         NAMED("actuator/heapdump", administration),
    NAMED("actuator/configprops", administration), NAMED("actuator/threaddump", administration),
    NAMED("actuator/logfile", administration),     NAMED("actuator/shutdown", administration),
    NAMED("debug/pprof", administration),          NAMED("debug/vars", administration),
};

/** Ends of the last segment. */
static const struct named ends[] = {
    NAMED("~", backup),    NAMED(".bak", backup),  NAMED(".backup", backup),
    NAMED(".old", backup), NAMED(".orig", backup), NAMED(".save", backup),
    NAMED(".swp", backup), NAMED(".swo", backup),  NAMED(".swn", backup),
};

/** Ends that mean a dump where it lies near the root, as scanners look for it; further down they
 *  are a code forge's or an archive's. */
static const struct named dumps[] = {
    NAMED(".sql", dump),    NAMED(".sql.gz", dump),  NAMED(".sql.bz2", dump),
    NAMED(".sql.xz", dump), NAMED(".sql.zst", dump), NAMED(".sql.zip", dump),
    NAMED(".sqlite", dump), NAMED(".sqlite3", dump), NAMED(".dump", dump),
    NAMED(".mdb", dump),
};

static bool is_named(struct span text, struct span name)
{
    return text.len == name.len && ascii_lower(text.ptr[0]) == name.ptr[0] &&
           span_equal_nocase(text, name);
}

static bool has_end(struct span text, struct span end)
{
    return text.len >= end.len && ascii_lower(text.ptr[text.len - 1]) == end.ptr[end.len - 1] &&
           span_equal_nocase(span_from(text, text.len - end.len), end);
}

/** As a lenient server reads a segment. */
static struct span bare(struct span segment)
{
    ptrdiff_t parameter = span_find(segment, ';');

    if (parameter >= 0)
        segment.len = (size_t)parameter;
    while (segment.len > 1 &&
           (segment.ptr[segment.len - 1] == '.' || segment.ptr[segment.len - 1] == ' '))
        segment.len--;
    return segment;
}

/** ".env.production", not ".env.example", which is published on purpose. */
static bool is_environment(struct span segment)
{
    return segment.len > 5 && is_named(span_of(segment.ptr, 5), SPAN(".env.")) &&
           !has_end(segment, SPAN(".example")) && !has_end(segment, SPAN(".sample")) &&
           !has_end(segment, SPAN(".template")) && !has_end(segment, SPAN(".dist"));
}

static const char *judge_segment(struct span segment)
{
    bool dot = segment.ptr[0] == '.';
    const struct named *names = dot ? dotted : undotted;
    size_t count = dot ? ARRAY_SIZE(dotted) : ARRAY_SIZE(undotted);

    for (size_t i = 0; i < count; i++)
        if (is_named(segment, names[i].name))
            return names[i].reason;
    return dot && is_environment(segment) ? credentials : NULL;
}

static const char *judge_pair(struct span first, struct span second)
{
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct span rest = pairs[i].name, a;
        if (ascii_lower(first.ptr[0]) == rest.ptr[0] && span_next(&rest, '/', &a) &&
            span_equal_nocase(first, a) && span_equal_nocase(second, rest))
            return pairs[i].reason;
    }
    return NULL;
}

static const char *judge_end(struct span last, unsigned depth)
{
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (last.len > ends[i].name.len && has_end(last, ends[i].name))
            return ends[i].reason;
    for (size_t i = 0; depth <= DUMP_DEPTH_MAX && i < ARRAY_SIZE(dumps); i++)
        if (has_end(last, dumps[i].name))
            return dumps[i].reason;
    return NULL;
}

const char *secrets_judge(struct span path)
{
    struct span rest = span_from(path, 1), segment, before = {NULL, 0};
    unsigned depth = 0;

    while (span_next(&rest, '/', &segment)) {
        segment = bare(segment);
        if (segment.len == 0)
            continue;
        depth++;
        const char *reason = judge_segment(segment);
        if (!reason && before.len)
            reason = judge_pair(before, segment);
        if (reason)
            return reason;
        before = segment;
    }
    return judge_end(before, depth);
}

static struct verdict on_request(void *policy, struct protect_question *question, unsigned number)
{
    const struct protect_rules *rules = question->rules;

    if (!rules || rules->secrets <= PROTECT_OFF || !question->path.ptr)
        return verdict_pass();
    const char *reason = secrets_judge(question->path);
    if (likely(!reason))
        return verdict_pass();
    protect_note(policy, question, "secrets", rules->secrets == PROTECT_ON, reason);
    if (rules->secrets == PROTECT_ON)
        return verdict_refuse(404, reason);
    question->watched |= 1u << number;
    return verdict_pass();
}

const struct protect_policy secrets_policy = {.name = "secrets", .on_request = on_request};
