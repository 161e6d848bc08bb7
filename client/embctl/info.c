/* SPDX-License-Identifier: Apache-2.0 */
/* Tables in words. No state. */
#include "client/embctl/info.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/print.h"

#define TENSORS_LISTED 24 /* each on a line of its own */

static const char *pick(const char *const *names, size_t n, int value)
{
    return value >= 0 && (size_t)value < n ? names[value] : "?"; /* a newer daemon's */
}

const char *state_name(int state)
{
    static const char *const names[] = {"serving", "damaged"};

    return pick(names, 2, state);
}

const char *memory_name(int memory)
{
    static const char *const names[] = {"map", "copy", "lock"};

    return pick(names, 3, memory);
}

const char *ids_name(int ids)
{
    static const char *const names[] = {"rows", "keys", "hash"};

    return pick(names, 3, ids);
}

const char *ids_format(char *out, size_t room, int ids, bool grows, uint64_t used, uint64_t rows)
{
    char in_use[32], spare[32];

    if (grows)
        snprintf(out, room, "%s; %s rows in use, %s spare", ids_name(ids),
                 format_count(in_use, used), format_count(spare, used < rows ? rows - used : 0));
    else
        snprintf(out, room, "%s", ids_name(ids));
    return out;
}

void json_table_info(struct document *j, const Embd__V1__TableInfo *t)
{
    doc_text(j, "table", t->name);
    doc_text(j, "method", t->method);
    doc_u64(j, "rows", t->rows);
    doc_u64(j, "dim", t->dim);
    doc_text(j, "ids", ids_name((int)t->ids));
    doc_bool(j, "grows", t->grows);
    if (t->grows)
        doc_u64(j, "used_rows", t->used_rows);
    doc_u64(j, "version", t->version);
    doc_u64(j, "generation", t->generation);
    doc_text(j, "state", state_name((int)t->state));
    doc_text(j, "trouble", t->trouble[0] ? t->trouble : NULL);
    doc_text(j, "memory", memory_name((int)t->memory));
    doc_u64(j, "parameter_bytes", t->parameter_bytes);
    doc_real(j, "ratio", t->ratio);
    doc_u64(j, "private_bytes", t->private_bytes);
    doc_u64(j, "mapped_bytes", t->mapped_bytes);
    doc_u64(j, "cache_bytes", t->cache_bytes);
    doc_text(j, "file", t->file);
    doc_bool(j, "trainable", t->trainable);
    if (t->trainable) {
        doc_u64(j, "snapshot_version", t->snapshot_version);
        doc_u64(j, "optimizer_bytes", t->optimizer_bytes);
    }
}

/* "1,000 × 100" */
static const char *shape_format(char *out, size_t room, const uint64_t *shape, size_t rank)
{
    size_t used = 0;
    char count[32];

    out[0] = '\0';
    for (size_t i = 0; i < rank && used < room; i++) {
        int n = snprintf(out + used, room - used, "%s%s", i ? " × " : "",
                         format_count(count, shape[i]));

        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

static int compare_bytes(const void *a, const void *b)
{
    const struct tensor_line *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* "f*.q.weight" for "f12.q.weight", also behind "optimizer.". Yours. */
static char *blur_field(const char *name)
{
    size_t start = strncmp(name, "optimizer.", 10) == 0 ? 10 : 0;
    size_t digits = name[start] == 'f' ? strspn(name + start + 1, "0123456789") : 0;
    const char *rest = name + start + 1 + digits;
    char *out = need(strlen(name) + sizeof "f*");

    if (digits && *rest == '.')
        sprintf(out, "%.*sf*%s", (int)start, name, rest);
    else
        strcpy(out, name);
    return out;
}

static int compare_names(const void *a, const void *b)
{
    const struct tensor_line *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->dtype, y->dtype);
}

/* One line for what is there once a field; names are new. Returns how many lines are left. */
static size_t group(struct tensor_line *line, size_t count, char **name)
{
    size_t groups = 0;

    for (size_t i = 0; i < count; i++)
        line[i].name = name[i] = blur_field(line[i].name);
    qsort(line, count, sizeof *line, compare_names);
    for (size_t i = 0; i < count; i++) {
        struct tensor_line *last = groups ? &line[groups - 1] : NULL;

        if (last && compare_names(last, &line[i]) == 0) {
            last->count = (last->count ? last->count : 1) + 1;
            last->bytes += line[i].bytes;
        } else {
            line[groups++] = line[i];
        }
    }
    return groups;
}

static void print_lines(struct tensor_line *line, size_t count)
{
    static const struct column columns[] = {{"tensor", false}, {"type", false}, {"shape", false},
                                            {"size", true},    {"share", true}, {"", false}};
    uint64_t total = 0;
    struct sheet s;
    char text[256];

    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        total += line[i].bytes;
    qsort(line, count, sizeof *line, compare_bytes);
    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        double share = total ? (double)line[i].bytes / (double)total : 0;

        sheet_text(&s, line[i].name);
        sheet_text(&s, line[i].dtype);
        if (line[i].count)
            sheet_format(&s, "%zu tensors", line[i].count);
        else
            sheet_text(&s, shape_format(text, sizeof text, line[i].shape, line[i].rank));
        sheet_bytes(&s, line[i].bytes);
        sheet_format(&s, "%.1f %%", 100 * share);
        sheet_style(&s, STYLE_CYAN);
        sheet_text(&s, bar_format(text, 20, share));
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

void print_tensors(struct tensor_line *line, size_t count)
{
    char **name;

    if (count <= TENSORS_LISTED) {
        print_lines(line, count);
        return;
    }
    name = need_zero(count, sizeof *name);
    print_lines(line, group(line, count, name));
    for (size_t i = 0; i < count; i++)
        mem_free(name[i]);
    mem_free(name);
}

const char *fields_format(char *out, size_t room, const uint64_t *rows, size_t count)
{
    size_t used = (size_t)snprintf(out, room, "%zu, with rows", count);
    char number[32];

    for (size_t i = 0; i < count && used < room; i++) {
        bool last = used + 64 > room; /* two numbers and the mark fit */

        used += (size_t)snprintf(out + used, room - used, "  %s",
                                 last ? "…" : format_count(number, rows[i]));
        if (last)
            break;
    }
    return out;
}
