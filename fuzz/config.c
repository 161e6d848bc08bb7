/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a configuration file: taken or refused with the line where it is wrong, and what was taken
   holds to the bounds of the options. */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/option.h"
#include "fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* "f:LINE: sentence", the line being one of the file's or the one after its last. */
static void check_sentence(const char *sentence, const uint8_t *data, size_t n)
{
    size_t digits = strspn(sentence + 2, "0123456789");
    uint64_t line, lines = 1;

    for (size_t i = 0; i < n; i++)
        lines += data[i] == '\n';
    CHECK(!strncmp(sentence, "f:", 2));
    CHECK(parse_u64(sentence + 2, digits, &line));
    CHECK(line >= 1 && line <= lines);
    CHECK(!strncmp(sentence + 2 + digits, ": ", 2) && sentence[digits + 4]);
}

static void check_bounds(struct config *config)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *o = &options[i];
        uint64_t least, most, value;
        bool known = o->type == OPTION_COUNT
                         ? parse_u64(o->least, strlen(o->least), &least) &&
                               parse_u64(o->most, strlen(o->most), &most)
                     : o->type == OPTION_BYTES
                         ? parse_bytes(o->least, &least) && parse_bytes(o->most, &most)
                     : o->type == OPTION_DURATION
                         ? parse_duration(o->least, &least) && parse_duration(o->most, &most)
                         : false;

        if (!known)
            continue;
        memcpy(&value, (char *)config + o->offset, sizeof value);
        CHECK(value >= least && value <= most);
    }
    for (const struct table_config *t = config->tables; t; t = t->next) {
        CHECK(table_name_valid(t->name, strlen(t->name)));
        CHECK(t->file[0] == '/');
        CHECK(config_table_find(config, t->name) == t);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct config *config;
    struct error e;
    enum status st;

    CHECK(config_new(&config, &e) == ST_OK);
    st = config_parse(config, "f", (const char *)data, n, &e);
    CHECK(st == ST_OK || st == ST_INVALID);
    if (st != ST_OK)
        check_sentence(e.text, data, n);
    check_bounds(config);
    config_free(config);
    return 0;
}
