/* SPDX-License-Identifier: Apache-2.0 */
/* The half of base/text.h that writes quantities for people. Digits are made from integers, because
   printf's decimal point belongs to the locale of whoever hosts us. No state; any thread. */
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIXED_MOST 1e15 /* larger values are shown as this; doubles count singly up to 2^53 */

/* `value` with `decimals` (at most 9) places, then `unit`. */
static const char *format_fixed(char out[32], double value, int decimals, const char *unit)
{
    uint64_t power = 1, scaled;

    if (!(value >= 0))
        value = 0;
    if (value > FIXED_MOST)
        value = FIXED_MOST;
    for (int i = 0; i < decimals; i++)
        power *= 10;
    scaled = (uint64_t)llround(value * (double)power);
    if (decimals)
        snprintf(out, 32, "%" PRIu64 ".%0*" PRIu64 "%s", scaled / power, decimals, scaled % power,
                 unit);
    else
        snprintf(out, 32, "%" PRIu64 "%s", scaled, unit);
    return out;
}

/* Three significant digits, more only before the point. */
static const char *format_three(char out[32], double value, const char *unit)
{
    return format_fixed(out, value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, unit);
}

const char *format_bytes(char out[32], uint64_t bytes)
{
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    double value = (double)bytes / 1024;
    size_t i = 0;

    if (bytes < 1024)
        return format_fixed(out, (double)bytes, 0, " B");
    for (; value >= 1023.5 && i < 5; i++) /* what would round to 1024 takes the next unit */
        value /= 1024;
    return format_three(out, value, units[i]);
}

const char *format_count(char out[32], uint64_t n)
{
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n), at = 0;

    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

const char *format_duration(char out[32], double us)
{
    /* Each unit up to the value that would round to a whole one of the next. */
    static const struct {
        double below_us, factor;
        const char *unit;
    } rows[] = {
        {0.9995, 1e3, " ns"},
        {999.5, 1, " us"},
        {999.5e3, 1e-3, " ms"},
        {59.95e6, 1e-6, " s"},
        {59.95 * 60e6, 1 / 60e6, " min"},
        {23.95 * 3600e6, 1 / 3600e6, " h"},
    };

    if (!(us > 0))
        return strcpy(out, "0 s");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (us < rows[i].below_us)
            return format_three(out, us * rows[i].factor, rows[i].unit);
    return format_three(out, us / 86400e6, " d");
}

const char *format_ratio(char out[32], double ratio)
{
    int decimals = 3;

    if (!(ratio > 0))
        return strcpy(out, "0");
    for (double limit = 9.9995; decimals > 0 && ratio >= limit; limit *= 10)
        decimals--;
    for (double limit = 0.99995; decimals < 9 && ratio < limit; limit /= 10)
        decimals++;
    return format_fixed(out, ratio, decimals, "");
}
