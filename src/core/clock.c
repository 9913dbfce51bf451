#include "core/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/stop.h"

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

time_t clock_now(void)
{
    return time(NULL);
}

/* In slices, because the signal may have been taken by another thread, whose sleep it then was that ended. */
void clock_sleep(double seconds)
{
    double end = clock_seconds() + seconds;
    for (double left = seconds; left > 0 && !stop_requested(); left = end - clock_seconds()) {
        double slice = left < 0.1 ? left : 0.1;
        nanosleep(&(struct timespec){.tv_nsec = (long)(slice * 1e9)}, NULL);
    }
}

void clock_rfc3339(time_t t, char out[CLOCK_RFC3339])
{
    struct tm tm;
    const time_t last = 253402300799; /* 9999-12-31T23:59:59Z: four digits of year are all that the format has */
    t = t < 0 ? 0 : t > last ? last : t;
    gmtime_r(&t, &tm);
    strftime(out, CLOCK_RFC3339, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar; years from 0. Hinnant, "chrono-compatible low-level date
 * algorithms", days_from_civil. (timegm would do, but is not in POSIX.) */
static int64_t days_of(int64_t y, int month, int day)
{
    y -= month <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool to_time(int year, int month, int day, int hour, int minute, int second, time_t *out)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60)
        return false;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day < 1 || day > month_days[month - 1] + (month == 2 && is_leap))
        return false;
    *out = (time_t)(days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second);
    return true;
}

/* Exactly n digits at *s, which moves behind them; -1 if they are not there. */
static int take_digits(struct str *s, size_t n)
{
    if (s->n < n)
        return -1;
    int x = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return -1;
        x = 10 * x + (s->p[i] - '0');
    }
    *s = str_slice(*s, n, s->n);
    return x;
}

/* One character out of `set` at *s, which moves behind it; NUL if none is there. */
static char take_char(struct str *s, const char *set)
{
    if (s->n == 0 || s->p[0] == '\0' || !strchr(set, s->p[0]))
        return '\0';
    char c = s->p[0];
    *s = str_slice(*s, 1, s->n);
    return c;
}

/* "08:15:30" */
static bool take_time(struct str *s, int *hour, int *minute, int *second)
{
    *hour = take_digits(s, 2);
    if (*hour < 0 || !take_char(s, ":"))
        return false;
    *minute = take_digits(s, 2);
    if (*minute < 0 || !take_char(s, ":"))
        return false;
    *second = take_digits(s, 2);
    return *second >= 0;
}

bool clock_parse_rfc3339(struct str s, time_t *out)
{
    int year = take_digits(&s, 4);
    if (year < 0 || !take_char(&s, "-"))
        return false;
    int month = take_digits(&s, 2);
    if (month < 0 || !take_char(&s, "-"))
        return false;
    int day = take_digits(&s, 2);
    if (day < 0 || !take_char(&s, "Tt "))
        return false;
    int hour, minute, second;
    if (!take_time(&s, &hour, &minute, &second))
        return false;
    if (take_char(&s, ".")) {
        if (take_digits(&s, 1) < 0)
            return false;
        while (take_digits(&s, 1) >= 0)
            ;
    }
    int offset_minutes = 0;
    char sign = take_char(&s, "Zz+-");
    if (sign == '+' || sign == '-') {
        int hours = take_digits(&s, 2);
        int minutes = hours >= 0 && take_char(&s, ":") ? take_digits(&s, 2) : -1;
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return false;
        offset_minutes = (sign == '+' ? 1 : -1) * (60 * hours + minutes);
    }
    if (!sign || s.n != 0 || !to_time(year, month, day, hour, minute, second, out))
        return false;
    *out -= 60 * offset_minutes;
    return true;
}

/* RFC 9110 section 5.6.7, the preferred form only: what S3 and every living server send. */
bool clock_parse_http(struct str s, time_t *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (s.n != 29 || s.p[3] != ',' || s.p[4] != ' ' || !str_ends(s, " GMT"))
        return false;
    s = str_slice(s, 5, 25);
    int day = take_digits(&s, 2);
    if (day < 0 || !take_char(&s, " "))
        return false;
    int month = 0;
    for (int i = 0; i < 12; i++)
        if (memcmp(s.p, months + 3 * i, 3) == 0)
            month = i + 1;
    s = str_slice(s, 3, s.n);
    if (month == 0 || !take_char(&s, " "))
        return false;
    int year = take_digits(&s, 4);
    if (year < 0 || !take_char(&s, " "))
        return false;
    int hour, minute, second;
    return take_time(&s, &hour, &minute, &second) && s.n == 0 && to_time(year, month, day, hour, minute, second, out);
}

bool clock_parse_duration(struct str s, double *seconds)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'h', 3600}, {'m', 60}, {'s', 1}};
    double total = 0;
    size_t next = 0; /* units before this one are used up */
    if (s.n == 0)
        return false;
    while (s.n > 0) {
        size_t n = 0;
        while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
            n++;
        uint64_t count;
        if (n > 9 || n == s.n || !str_to_uint64(str_slice(s, 0, n), &count))
            return false;
        while (next < 3 && units[next].unit != s.p[n])
            next++;
        if (next == 3)
            return false;
        total += (double)count * units[next++].seconds;
        s = str_slice(s, n + 1, s.n);
    }
    *seconds = total;
    return true;
}

void clock_format_duration(double seconds, char out[32])
{
    if (!(seconds > 0))
        seconds = 0;
    if (seconds > 1e12)
        seconds = 1e12;
    long long whole = llround(seconds);
    long long minutes = (whole + 30) / 60;
    if (seconds < 59.95)
        snprintf(out, 32, "%.1fs", seconds);
    else if (whole < 3600)
        snprintf(out, 32, "%lldm %02llds", whole / 60, whole % 60);
    else
        snprintf(out, 32, "%lldh %02lldm", minutes / 60, minutes % 60);
}
