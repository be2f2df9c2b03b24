/* When to renew a certificate, and how long to wait after a failure. */
#include "cert/acme/schedule.h"

#define MINUTE (60 * NSEC_PER_SEC)
#define DAY (24 * 60 * MINUTE)
#define SHORT_LIFE (10 * DAY)

/** A share of `span`: random / 2^32 of it. */
static nsec_t share(nsec_t span, uint64_t random)
{
    double part = (double)(uint32_t)random / 4294967296.0;

    return span <= 0 ? 0 : (nsec_t)((double)span * part);
}

static nsec_t clamp(nsec_t at, nsec_t min, nsec_t max)
{
    return at < min ? min : at > max ? max : at;
}

nsec_t acme_renew_at(const struct acme_lifetime *lifetime, uint64_t random)
{
    nsec_t life = lifetime->not_after - lifetime->not_before;
    nsec_t start = lifetime->window_start, end = lifetime->window_end;

    if (life <= 0)
        return lifetime->not_before;
    if (start && end > start && start < lifetime->not_after) {
        end = end < lifetime->not_after ? end : lifetime->not_after;
        return clamp(start + share(end - start, random), lifetime->not_before, lifetime->not_after);
    }
    nsec_t base = life < SHORT_LIFE ? life / 2 : life / 3 * 2;
    return lifetime->not_before + base + share(life / 50, random);
}

nsec_t acme_retry_at(unsigned failures, nsec_t now, nsec_t retry_after, uint64_t random)
{
    static const nsec_t waits[] = {MINUTE, 10 * MINUTE, 100 * MINUTE, DAY};
    unsigned at = failures == 0 ? 0 : failures - 1;
    nsec_t wait = waits[at < 3 ? at : 3];
    nsec_t ret = now + wait + share(wait / 10, random);

    if (retry_after > now + 7 * DAY)
        retry_after = now + 7 * DAY;
    return retry_after > ret ? retry_after : ret;
}

enum acme_urgency acme_urgency(const struct acme_lifetime *lifetime, nsec_t now)
{
    nsec_t life = lifetime->not_after - lifetime->not_before;
    nsec_t left = lifetime->not_after - now;
    nsec_t base = life < SHORT_LIFE ? life / 2 : life / 3;

    if (left <= 0)
        return ACME_OVER;
    if (left < life / 10 && left < 14 * DAY)
        return ACME_URGENT;
    return left < base / 3 * 2 ? ACME_WARN : ACME_CALM;
}
