/* SPDX-License-Identifier: Apache-2.0 */
/* embctl top: the daemon's tables, live. The terminal gets a screen of its own and is put back
   however the command ends. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/address.h"
#include "client/embctl/commands.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/embctl/top.h"

#define SCREEN_BEGIN "\033[?1049h\033[?25l\033[?7l" /* other screen, no cursor, no wrapping */
#define SCREEN_END "\033[?7h\033[?25h\033[?1049l"
#define TIMEOUT_MS 2000   /* unless the user says otherwise: q must not wait for long */
#define LINE_END "\033[K" /* wipe the rest of the line */
#define FRAME_BEGIN "\033[H"
#define FRAME_END "\033[J"

static const struct option_decl options[] = {
    {"interval", 'n', "TIME", "time between two looks (1s)"},
    {"once", '1', NULL, "one frame, as with --json and when the output is no terminal"},
};

/* Wait for a key or the next look; false to quit. */
static bool wait_key(uint64_t until_us, bool keys)
{
    struct pollfd in = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};

    for (;;) {
        uint64_t now_us = clock_now_us();
        char key;

        if (interrupted())
            return false;
        if (now_us >= until_us)
            return true;
        if (poll(&in, 1, (int)((until_us - now_us + 999) / 1000)) <= 0)
            continue;
        if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 27)
            return false;
        return true; /* any other key: look now */
    }
}

static unsigned terminal_height(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row : 24;
}

/* The loop on a terminal. */
static void watch(struct top *t, uint64_t interval_us)
{
    bool keys = isatty(STDIN_FILENO);
    struct termios before, raw;
    uint64_t next_us = clock_now_us();

    if (keys && tcgetattr(STDIN_FILENO, &before) == 0) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    } else {
        keys = false;
    }
    fputs(SCREEN_BEGIN, stdout);
    do {
        t->failed = top_sample(t, &t->error) != ST_OK;
        fputs(FRAME_BEGIN, stdout);
        top_frame(t, terminal_height() - 1, LINE_END);
        fputs(FRAME_END, stdout);
        fflush(stdout);
        next_us += interval_us;
        if (next_us < clock_now_us())
            next_us = clock_now_us() + interval_us;
    } while (wait_key(next_us, keys));
    fputs(SCREEN_END, stdout);
    fflush(stdout);
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static int run(const struct arguments *a)
{
    const char *interval = option_value(a, "interval");
    uint64_t interval_us = 1000000;
    struct arguments patient = *a;
    struct top t = {.address = a->server};
    struct error e;
    int done = EXIT_DONE;

    if (interval && (!parse_duration(interval, &interval_us) || interval_us < 100000))
        return usage_error(a, "--interval: %s is no time of 100ms or more", QUOTE(interval));
    if (!t.address)
        t.address = secure_getenv("EMBD_SERVER");
    if (!t.address || !*t.address)
        t.address = ADDRESS_DEFAULT;
    if (!patient.timeout_ms)
        patient.timeout_ms = TIMEOUT_MS;
    if (remote_open(&t.remote, &patient, &e) != ST_OK)
        return usage_error(a, "%s", e.text);
    t.from_s = clock_wall_s() / 60 * 60 - 60;
    interrupt_watch();
    if (top_sample(&t, &e) != ST_OK) {
        done = fail(&e);
    } else if (isatty(STDOUT_FILENO) && !option_value(a, "once") && !a->json) {
        if (wait_key(clock_now_us() + 100000, false))
            watch(&t, interval_us);
    } else if (wait_key(clock_now_us() + interval_us, false)) {
        if (top_sample(&t, &e) != ST_OK)
            done = fail(&e);
        else if (a->json)
            done = top_json(&t);
        else
            top_frame(&t, 0, "");
    }
    remote_close(&t.remote);
    top_done(&t);
    return done == EXIT_DONE ? finish_output() : done;
}

const struct command command_top = {
    .name = "top",
    .operands = "",
    .help = "Watch the tables: calls, latency, pushes, memory; q quits",
    .more = "Rates and latencies are those of the last five looks.\n",
    .remote = true,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
