/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a table trainable, in words. No state. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"

void json_snapshot(struct document *j, const Embd__V1__SnapshotInfo *s)
{
    char text[32];

    doc_u64(j, "version", s->version);
    doc_u64(j, "lsn", s->lsn);
    doc_bool(j, "whole", s->whole != 0);
    doc_u64(j, "bytes", s->bytes);
    doc_text(j, "time", clock_format(text, s->time_us));
    doc_text(j, "file", s->file);
    snprintf(text, sizeof text, "%016" PRIx64, s->checksum);
    doc_text(j, "checksum", text);
}

void print_snapshots(Embd__V1__SnapshotInfo *const *list, size_t count)
{
    static const struct column columns[] = {{"snapshot", true}, {"lsn", true}, {"content", false},
                                            {"size", true},     {"age", true}, {"file", false}};
    int64_t now_us = clock_wall_us();
    struct sheet s;

    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        sheet_format(&s, "version %s", format_count((char[32]){0}, list[i]->version));
        sheet_count(&s, list[i]->lsn);
        sheet_text(&s, list[i]->whole ? "whole" : "changes");
        sheet_bytes(&s, list[i]->bytes);
        sheet_us(&s, (double)(now_us - list[i]->time_us));
        sheet_text(&s, list[i]->file);
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

/* The settings that people ask for, in this order; the others matter only where they differ from
   zero. */
static const struct {
    const char *key, *of; /* of: the only optimizer that has it; NULL: all */
    bool always;          /* also when zero */
} settings_shown[] = {
    {"learning_rate", NULL, true},
    {"epsilon", NULL, false},
    {"beta1", "adam", true},
    {"beta2", "adam", true},
    {"initial_accumulator", NULL, false},
    {"weight_decay", NULL, false},
    {"clip_norm", NULL, false},
    {"step", NULL, true},
};

const char *optimizer_format(char *out, size_t room, const char *json)
{
    json_t *settings = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(settings, "name"));
    const char *mode = json_string_value(json_object_get(settings, "weight_decay_mode"));
    size_t used = (size_t)snprintf(out, room, "%s", name ? name : json);

    for (size_t i = 0; name && i < sizeof settings_shown / sizeof *settings_shown; i++) {
        const char *key = settings_shown[i].key, *of = settings_shown[i].of;
        const json_t *value = json_object_get(settings, key);
        double number = json_number_value(value);

        if (!json_is_number(value) || (of && strcmp(of, name)) || used >= room ||
            (number == 0 && !settings_shown[i].always))
            continue;
        used += (size_t)snprintf(out + used, room - used, ", %s %.9g%s%s", key, number,
                                 mode && !strcmp(key, "weight_decay") ? " " : "",
                                 mode && !strcmp(key, "weight_decay") ? mode : "");
    }
    if (json_object_size(json_object_get(settings, "tensors")) && used < room)
        snprintf(out + used, room - used, ", other rates for some tensors");
    json_decref(settings);
    return out;
}
