/* A server that failed too often is left alone for a pause; then one request finds out whether it
 * is back, and the pause doubles while it is not. */
#include "serve/proxy/health.h"

bool health_usable(const struct health *health, nsec_t now)
{
    return health->down_until == 0 || (now >= health->down_until && !health->trying);
}

void health_chosen(struct health *health, nsec_t now)
{
    if (health->down_until != 0)
        health->trying = true;
}

static void go_down(struct health *health, const struct health_settings *settings, nsec_t now)
{
    nsec_t next = health->pause * 2;

    if (health->down_until == 0)
        next = settings->pause;
    health->pause = next < settings->pause_max ? next : settings->pause_max;
    health->down_until = now + health->pause;
    health->up_since = 0;
    health->trying = false;
}

void health_failed(struct health *health, const struct health_settings *settings, nsec_t now)
{
    if (settings->failures == 0)
        return;
    if (health->down_until != 0) {
        /* requests that were under way when it went down say nothing new */
        if (health->trying)
            go_down(health, settings, now);
        return;
    }
    if (health->failures == 0 || now - health->window_began > settings->window) {
        health->window_began = now;
        health->failures = 0;
    }
    if (++health->failures >= settings->failures)
        go_down(health, settings, now);
}

void health_succeeded(struct health *health, nsec_t now)
{
    if (health->down_until != 0)
        health->up_since = now;
    health->down_until = 0;
    health->failures = 0;
    health->trying = false;
}

void health_unknown(struct health *health)
{
    health->trying = false;
}

unsigned health_share(const struct health *health, const struct health_settings *settings,
                      nsec_t now)
{
    nsec_t passed = now - health->up_since;

    if (health->up_since == 0 || passed >= settings->slow_start)
        return HEALTH_FULL;
    unsigned share = (unsigned)(passed * HEALTH_FULL / settings->slow_start);
    return share > HEALTH_LEAST ? share : HEALTH_LEAST;
}

nsec_t health_retry_at(const struct health *health, nsec_t now)
{
    return health->down_until > now ? health->down_until : 0;
}
