/* The rate doubles while all goes well, and halves when probes get lost. */
#include "scan/rate.h"

enum {
    CEILING_ON_LINK = 200000, /* packets a second; about what one CPU can send and receive */
    CEILING_ROUTED = 50000,   /* 60 bytes each on the wire: 24 Mbit/s */
    UNPROVEN_ROUTED = 10000,
    START_ON_LINK = 50000,
    START_ROUTED = 2000,
    FLOOR = 200,
    CANARIES_MIN = 8, /* of one look, to judge by */
};

static const nsec_t PAUSE_MIN = 20 * NSEC_PER_MSEC;
static const nsec_t PAUSE_MAX = NSEC_PER_SEC;
static const nsec_t CREDIT = 2 * NSEC_PER_MSEC; /* how far behind its plan a burst may catch up */

static double least(double a, double b)
{
    return a < b ? a : b;
}

void scan_rate_init(struct scan_rate *rate, double ceiling, bool on_link, bool fixed)
{
    *rate = (struct scan_rate){.floor = FLOOR, .pause = PAUSE_MIN};
    rate->ceiling = fixed ? ceiling : on_link ? CEILING_ON_LINK : CEILING_ROUTED;
    rate->unproven = fixed ? ceiling : on_link ? CEILING_ON_LINK : UNPROVEN_ROUTED;
    rate->now = fixed ? ceiling : on_link ? START_ON_LINK : START_ROUTED;
    rate->floor = least(rate->floor, rate->ceiling);
}

unsigned scan_rate_take(struct scan_rate *rate, nsec_t now, unsigned most)
{
    double gap = (double)NSEC_PER_SEC / rate->now;

    if (rate->paid < now - CREDIT)
        rate->paid = now - CREDIT;
    if (rate->paid > now)
        return 0;
    unsigned due = 1 + (unsigned)((double)(now - rate->paid) / gap);
    if (due > most)
        due = most;
    rate->paid += (nsec_t)(gap * due);
    return due;
}

nsec_t scan_rate_next(const struct scan_rate *rate)
{
    return rate->paid;
}

void scan_rate_canary(struct scan_rate *rate, bool answered)
{
    rate->proven = rate->proven || answered;
    if (answered)
        rate->answered++;
    else
        rate->lost++;
}

void scan_rate_round_trip(struct scan_rate *rate, nsec_t rtt)
{
    rate->pause = rtt * 2 < PAUSE_MIN ? PAUSE_MIN : rtt * 2 > PAUSE_MAX ? PAUSE_MAX : rtt * 2;
}

void scan_rate_slow_down(struct scan_rate *rate)
{
    rate->now /= 2;
    if (rate->now < rate->floor)
        rate->now = rate->floor;
}

void scan_rate_adapt(struct scan_rate *rate, nsec_t now)
{
    if (now - rate->last < rate->pause)
        return;
    rate->last = now;
    bool judged = rate->answered + rate->lost >= CANARIES_MIN;
    bool lossy = judged && rate->lost * 8 > rate->answered; /* more than a ninth */
    if (judged)
        rate->answered = rate->lost = 0;
    if (lossy)
        scan_rate_slow_down(rate);
    else
        rate->now = least(rate->now * 1.5, rate->proven ? rate->ceiling : rate->unproven);
}
