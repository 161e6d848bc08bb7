/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as a whole: defaults, tables, and what holds between options. The main thread's
   while it is made, constant afterwards. */
#include "daemon/config.h"

#include <sched.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "daemon/address.h"
#include "daemon/option.h"

#define WORKERS_MOST 256               /* that of the option */
#define ARENA_MOST ((size_t)256 << 20) /* a million tables with long paths */

enum status config_new(struct config **out, struct error *e)
{
    struct config *config = mem_zero(1, sizeof *config);
    enum status st = ST_OK;

    if (!config)
        return error_memory(e, "configuration");
    arena_init(&config->arena, ARENA_MOST);
    for (size_t i = 0; i < option_count && st == ST_OK; i++)
        st = option_set(config, &options[i], options[i].fallback, true, e);
    if (st != ST_OK) {
        config_free(config);
        return st;
    }
    *out = config;
    return ST_OK;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    arena_done(&config->arena);
    mem_free(config);
}

struct table_config *config_table_find(const struct config *config, const char *name)
{
    struct table_config *table = config->tables;

    while (table && strcmp(table->name, name))
        table = table->next;
    return table;
}

enum status config_table(struct config *config, const char *name, const char *file,
                         struct table_config **out, struct error *e)
{
    struct table_config *table, **last = &config->tables;
    enum status st;

    if (!table_name_valid(name, strlen(name)))
        return error_set(e, ST_INVALID,
                         "%s is no name for a table: 1 to 128 of A-Z a-z 0-9 _ . - are, and no dot "
                         "comes first",
                         QUOTE(name));
    table = config_table_find(config, name);
    if (!table) {
        table = arena_zero(&config->arena, 1, sizeof *table);
        if (!table || !(table->name = arena_text(&config->arena, name, strlen(name))))
            return error_memory(e, "table");
        while (*last)
            last = &(*last)->next;
        *last = table;
        config->table_count++;
    }
    st = config_path(config, &table->file, file, e);
    if (st != ST_OK)
        return st;
    table_settings_init(&table->settings);
    table->replace = false;
    *out = table;
    return ST_OK;
}

static enum status check_address(const struct config *config, const char *option, const char *text,
                                 struct error *e)
{
    struct address a;
    enum status st = address_parse(&a, text, e);

    if (st != ST_OK)
        return error_prefix(e, st, "%s", option);
    if (!config->insecure && !address_local(&a))
        return error_set(
            e, ST_INVALID,
            "%s: %s is neither loopback nor a Unix socket, which needs insecure = yes, "
            "since nothing is encrypted",
            option, QUOTE(text));
    return ST_OK;
}

enum status config_check(const struct config *config, struct error *e)
{
    enum status st;

    for (size_t i = 0; i < config->listen.count; i++) {
        st = check_address(config, "listen", config->listen.text[i], e);
        if (st != ST_OK)
            return st;
    }
    if (*config->http) {
        st = check_address(config, "http", config->http, e);
        if (st != ST_OK)
            return st;
    }
    if (!*config->data_dir)
        return error_set(e, ST_INVALID, "data_dir: there must be a data folder");
    if (config->table_count > config->max_tables)
        return error_set(e, ST_INVALID, "%zu tables are more than max_tables = %llu",
                         config->table_count, (unsigned long long)config->max_tables);
    return ST_OK;
}

void config_limits(const struct config *c, struct limits *limits)
{
    *limits = (struct limits){
        .max_request_bytes = c->max_request_bytes,
        .max_reply_bytes = c->max_reply_bytes,
        .max_ids = c->max_ids,
        .max_work = c->max_work,
        .max_streams = c->max_streams,
        .max_connections = c->max_connections,
        .max_inflight_bytes = c->max_inflight_bytes,
        .max_buffered_bytes = c->max_buffered_bytes,
        .max_headers_bytes = c->max_headers_bytes,
        .max_resets = c->max_resets,
        .max_resets_rate = c->max_resets_rate,
        .max_controls_rate = c->max_controls_rate,
        .handshake_us = c->handshake_timeout,
        .request_us = c->request_timeout,
        .write_us = c->write_timeout,
        .idle_us = c->idle_timeout,
        .keepalive_us = c->keepalive_interval,
        .drain_us = c->drain_timeout,
        .max_wait_us = c->max_wait,
        .max_queued_push_bytes = c->max_queued_push_bytes,
        .max_gradient_norm = c->max_gradient_norm,
    };
}

unsigned config_workers(const struct config *config)
{
    cpu_set_t mine;
    int count;

    if (config->workers)
        return (unsigned)config->workers;
    count = sched_getaffinity(0, sizeof mine, &mine) == 0 ? CPU_COUNT(&mine) : 1;
    return count > WORKERS_MOST ? WORKERS_MOST : (unsigned)count;
}
