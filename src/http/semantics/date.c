/* The three forms of HTTP-date, read and written without libc's locale or time zone. What a date
 * decides is for condition.c. */
#include "http/semantics/semantics.h"

static const char day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum { DAY_SECONDS = 86400, YEARS_AHEAD = 50 };

struct date {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    unsigned hour;
    unsigned minute;
    unsigned second; /* 0..60 */
};

/* Days since 1970-01-01 of the proleptic Gregorian calendar. Years begin in March here, so that the
 * leap day comes last and the months' lengths follow one formula. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

/* The inverse of days_of(), for days >= 0. */
static struct date date_of(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (unsigned)((5 * day_of_year + 2) / 153);
    struct date date = {
        .month = march_month < 10 ? march_month + 3 : march_month - 9,
        .day = (unsigned)(day_of_year - (153 * march_month + 2) / 5 + 1),
    };

    date.year = year_of_era + era * 400 + (date.month <= 2);
    return date;
}

static char *put_two(char *out, unsigned number)
{
    out[0] = (char)('0' + number / 10);
    out[1] = (char)('0' + number % 10);
    return out + 2;
}

static char *put_text(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

static int64_t clip(int64_t seconds)
{
    const int64_t last = 253402300799; /* the end of 9999 */

    return seconds < 0 ? 0 : seconds > last ? last : seconds;
}

static char *put_year(char *out, int64_t year)
{
    return put_two(put_two(out, (unsigned)year / 100), (unsigned)year % 100);
}

/* @param seconds  of the day */
static char *put_clock(char *out, unsigned seconds)
{
    out = put_two(out, seconds / 3600);
    *out++ = ':';
    out = put_two(out, seconds / 60 % 60);
    *out++ = ':';
    return put_two(out, seconds % 60);
}

void http_date_format(int64_t seconds, char out[HTTP_DATE_SIZE + 1])
{
    seconds = clip(seconds);
    int64_t days = seconds / DAY_SECONDS;
    struct date date = date_of(days);

    out = put_text(out, day_names[(days + 4) % 7], 3);
    out = put_text(out, ", ", 2);
    out = put_two(out, date.day);
    *out++ = ' ';
    out = put_text(out, month_names[date.month - 1], 3);
    *out++ = ' ';
    out = put_year(out, date.year);
    *out++ = ' ';
    out = put_clock(out, (unsigned)(seconds % DAY_SECONDS));
    put_text(out, " GMT", 5);
}

void http_date_format_iso(int64_t seconds, char out[HTTP_DATE_ISO_SIZE + 1])
{
    seconds = clip(seconds);
    struct date date = date_of(seconds / DAY_SECONDS);

    out = put_year(out, date.year);
    *out++ = '-';
    out = put_two(out, date.month);
    *out++ = '-';
    out = put_two(out, date.day);
    *out++ = 'T';
    out = put_clock(out, (unsigned)(seconds % DAY_SECONDS));
    put_text(out, "Z", 2);
}

/* Cuts the text off the front of *rest. */
static bool eat(struct span *rest, const char *text, size_t len)
{
    if (!span_starts(*rest, span_of(text, len)))
        return false;
    *rest = span_from(*rest, len);
    return true;
}

static bool eat_number(struct span *rest, size_t digits, unsigned *ret_number)
{
    unsigned number = 0;

    if (rest->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = rest->ptr[i];
        if (c < '0' || c > '9')
            return false;
        number = number * 10 + (unsigned)(c - '0');
    }
    *rest = span_from(*rest, digits);
    *ret_number = number;
    return true;
}

static bool eat_month(struct span *rest, unsigned *ret_month)
{
    for (unsigned i = 0; i < 12; i++)
        if (eat(rest, month_names[i], 3)) {
            *ret_month = i + 1;
            return true;
        }
    return false;
}

static bool eat_clock(struct span *rest, struct date *date)
{
    return eat_number(rest, 2, &date->hour) && eat(rest, ":", 1) &&
           eat_number(rest, 2, &date->minute) && eat(rest, ":", 1) &&
           eat_number(rest, 2, &date->second);
}

/* " 06 Nov 1994 08:49:37 GMT" */
static bool eat_fixdate(struct span *rest, struct date *date)
{
    unsigned year = 0;
    bool fits = eat(rest, " ", 1) && eat_number(rest, 2, &date->day) && eat(rest, " ", 1) &&
                eat_month(rest, &date->month) && eat(rest, " ", 1) && eat_number(rest, 4, &year) &&
                eat(rest, " ", 1) && eat_clock(rest, date) && eat(rest, " GMT", 4);

    date->year = year;
    return fits;
}

static int64_t current_year(int64_t now)
{
    return date_of(now < 0 ? 0 : now / DAY_SECONDS).year;
}

/* " 06-Nov-94 08:49:37 GMT": a year more than 50 ahead is the latest past one that ends so. */
static bool eat_rfc850(struct span *rest, int64_t now, struct date *date)
{
    unsigned year = 0;

    if (!(eat(rest, " ", 1) && eat_number(rest, 2, &date->day) && eat(rest, "-", 1) &&
          eat_month(rest, &date->month) && eat(rest, "-", 1) && eat_number(rest, 2, &year) &&
          eat(rest, " ", 1) && eat_clock(rest, date) && eat(rest, " GMT", 4)))
        return false;
    int64_t this_year = current_year(now);
    date->year = this_year / 100 * 100 + year;
    if (date->year > this_year + YEARS_AHEAD)
        date->year -= 100;
    else if (date->year + 100 <= this_year + YEARS_AHEAD)
        date->year += 100;
    return true;
}

/* " Nov  6 08:49:37 1994" */
static bool eat_asctime(struct span *rest, struct date *date)
{
    unsigned year = 0;
    bool fits =
        eat(rest, " ", 1) && eat_month(rest, &date->month) && eat(rest, " ", 1) &&
        (eat(rest, " ", 1) ? eat_number(rest, 1, &date->day) : eat_number(rest, 2, &date->day)) &&
        eat(rest, " ", 1) && eat_clock(rest, date) && eat(rest, " ", 1) &&
        eat_number(rest, 4, &year);

    date->year = year;
    return fits;
}

static unsigned month_length(int64_t year, unsigned month)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return lengths[month - 1] + (month == 2 && leap);
}

static bool date_valid(const struct date *date)
{
    return date->day >= 1 && date->day <= month_length(date->year, date->month) &&
           date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

/* After the day's name, whose form tells which of the three follows. */
static bool eat_date(struct span *rest, int64_t now, struct date *date)
{
    for (unsigned i = 0; i < 7; i++) {
        if (eat(rest, day_names[i], strlen(day_names[i])))
            return eat(rest, ",", 1) && eat_rfc850(rest, now, date);
        if (eat(rest, day_names[i], 3))
            return eat(rest, ",", 1) ? eat_fixdate(rest, date) : eat_asctime(rest, date);
    }
    return false;
}

int http_date_parse(struct span text, int64_t now, int64_t *ret_seconds)
{
    struct date date = {0};

    if (!eat_date(&text, now, &date) || text.len || !date_valid(&date))
        return ERR_SYNTAX;
    *ret_seconds = days_of(date.year, date.month, date.day) * DAY_SECONDS + date.hour * 3600 +
                   date.minute * 60 + date.second;
    return 0;
}
