/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration is read again. Tables and the level of the log take effect; of other
   options it is said that they changed. A file that is refused changes nothing. Main thread. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/command_line.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/notify.h"
#include "daemon/option.h"
#include "daemon/server.h"

#define NAMES_MOST 512

/* The names of options that differ and need a start to take effect, with commas between. */
static void changed_options(char *out, const struct config *old, const struct config *new)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < option_count; i++) {
        size_t more = strlen(options[i].name);

        if (!strcmp(options[i].name, "log_level") || option_same(old, new, &options[i]) ||
            n + more + 2 > NAMES_MOST)
            continue;
        if (n)
            out[n++] = ',';
        memcpy(out + n, options[i].name, more + 1);
        n += more;
    }
}

void control_reload(struct control *c)
{
    char changed[NAMES_MOST], line[64];
    struct config *config;
    struct error e;

    if (atomic_load(&c->server->draining))
        return;
    snprintf(line, sizeof line, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)clock_now_us());
    notify_manager(line);
    if (command_line_config(c->command_line, &config, &e) != ST_OK) {
        log_error("the configuration is refused and nothing changes error=%s", e.text);
        notify_manager("READY=1");
        return;
    }
    log_set_level(config->log_level);
    changed_options(changed, c->server->config, config);
    if (*changed)
        log_warn("some options take effect at the next start options=%s", changed);
    if (writer_reload(c->server->writer, config, &e) != ST_OK) {
        log_error("the tables stay as they are error=%s", e.text);
        config_free(config);
    }
    notify_manager("READY=1");
}
