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

struct named {
    const char *name;
    const char *reason;
};

/** Whole segments, anywhere in the path. */
static const struct named segments[] = {
    {".git", version_control},
    {".svn", version_control},
    {".hg", version_control},
    {".bzr", version_control},
    {".git-credentials", credentials},
    {".gitconfig", credentials},
    {".env", credentials},
    {".envrc", credentials},
    {".htpasswd", credentials},
    {".htaccess", credentials},
    {".ssh", credentials},
    {".aws", credentials},
    {".azure", credentials},
    {".gnupg", credentials},
    {".kube", credentials},
    {".docker", credentials},
    {".dockercfg", credentials},
    {".npmrc", credentials},
    {".yarnrc.yml", credentials},
    {".pypirc", credentials},
    {".netrc", credentials},
    {".pgpass", credentials},
    {".my.cnf", credentials},
    {".s3cfg", credentials},
    {".boto", credentials},
    {".vault-token", credentials},
    {".terraform", credentials},
    {"terraform.tfstate", credentials},
    {".bash_history", credentials},
    {".zsh_history", credentials},
    {".mysql_history", credentials},
    {".psql_history", credentials},
    {"id_rsa", credentials},
    {"id_ed25519", credentials},
    {"id_ecdsa", credentials},
    {"web-inf", credentials},
    {"web.config", credentials},
    {"wp-config.php", credentials},
    {".ds_store", backup},
    {".idea", backup},
    {".vscode", backup},
    {"server-status", administration},
    {"server-info", administration},
    {"phpinfo.php", administration},
    {"_profiler", administration},
    {"heapdump", administration},
};

/** Segments that follow each other. */
static const struct named pairs[] = {
    {"actuator/env", administration},         {"actuator/heapdump", administration},
    {"actuator/configprops", administration}, {"actuator/threaddump", administration},
    {"actuator/logfile", administration},     {"actuator/shutdown", administration},
    {"debug/pprof", administration},          {"debug/vars", administration},
};

/** Ends of the last segment. */
static const struct named ends[] = {
    {"~", backup},     {".bak", backup}, {".backup", backup}, {".old", backup}, {".orig", backup},
    {".save", backup}, {".swp", backup}, {".swo", backup},    {".swn", backup},
};

/** Ends that mean a dump where it lies near the root, as scanners look for it; further down they
 *  are a code forge's or an archive's. */
static const char *const dumps[] = {".sql",     ".sql.gz", ".sql.bz2", ".sql.xz", ".sql.zst",
                                    ".sql.zip", ".sqlite", ".sqlite3", ".dump",   ".mdb"};

/** @param name  lower case */
static bool is_named(struct span text, const char *name)
{
    return span_equal_nocase(text, span_str(name));
}

static bool has_end(struct span text, const char *end)
{
    size_t len = strlen(end);

    return text.len >= len && is_named(span_from(text, text.len - len), end);
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
    static const char *const samples[] = {".example", ".sample", ".template", ".dist"};

    if (segment.len < 5 || !is_named(span_of(segment.ptr, 5), ".env."))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        if (has_end(segment, samples[i]))
            return false;
    return true;
}

static const char *judge_segment(struct span segment)
{
    for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
        if (is_named(segment, segments[i].name))
            return segments[i].reason;
    return is_environment(segment) ? credentials : NULL;
}

static const char *judge_pair(struct span first, struct span second)
{
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct span rest = span_str(pairs[i].name), a;
        if (span_next(&rest, '/', &a) && span_equal_nocase(first, a) &&
            span_equal_nocase(second, rest))
            return pairs[i].reason;
    }
    return NULL;
}

static const char *judge_end(struct span last, unsigned depth)
{
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (last.len > strlen(ends[i].name) && has_end(last, ends[i].name))
            return ends[i].reason;
    for (size_t i = 0; depth <= DUMP_DEPTH_MAX && i < ARRAY_SIZE(dumps); i++)
        if (has_end(last, dumps[i]))
            return dump;
    return NULL;
}

/** Most segments are told by one look: they have no dot and no letter that a name here begins
 *  with. Without it, 45 comparisons a segment would cost as much as routing. */
static bool may_be_named(struct span segment)
{
    return segment.len > 2 && (segment.ptr[0] == '.' || segment.ptr[0] == '_' ||
                               strchr("tiwsph", ascii_lower(segment.ptr[0])));
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
        const char *reason = may_be_named(segment) ? judge_segment(segment) : NULL;
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
