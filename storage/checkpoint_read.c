/* SPDX-License-Identifier: Apache-2.0 */
/* Reading checkpoints: what their texts say. The snapshots themselves are opened like any others.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/checkpoint_parts.h"

#define TEXT_MOST ((size_t)64 << 20)

void checkpoint_done(struct checkpoint *c)
{
    for (size_t i = 0; i < c->tables; i++)
        mem_free(c->table[i].options);
    mem_free(c->table);
    mem_free(c->position);
    c->table = NULL;
    c->position = NULL;
    c->tables = c->positions = 0;
}

void checkpoints_free(struct checkpoint *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        checkpoint_done(&list[i]);
    mem_free(list);
}

/* Fill in what the text in `folder` says. */
static enum status read_text(struct checkpoint *c, const char *folder, struct error *e)
{
    size_t room = strlen(folder) + sizeof "/" CHECKPOINT_TEXT, n;
    char *path = mem_alloc(room), *text;
    enum status st;

    if (!path)
        return error_memory(e, "checkpoint");
    snprintf(path, room, "%s/" CHECKPOINT_TEXT, folder);
    if (FAILPOINT("checkpoint.read"))
        st = error_errno(e, errno, "cannot read %s", QUOTE(path));
    else
        st = file_read(&text, &n, path, TEXT_MOST, e);
    if (st == ST_OK) {
        st = checkpoint_text_read(c, text, n, e);
        mem_free(text);
        if (st == ST_INVALID)
            st = error_prefix(e, ST_DATA_LOSS, "%s", path);
        else if (st == ST_PRECONDITION)
            (void)!error_prefix(e, st, "%s", path);
    } else if (st == ST_NOT_FOUND) {
        st = ST_DATA_LOSS;
    }
    mem_free(path);
    return st;
}

static enum status read_label(struct checkpoint *c, const char *data_dir, struct error *e)
{
    char *folder = checkpoint_folder(data_dir, c->label, NULL);
    enum status st = folder ? read_text(c, folder, e) : error_memory(e, "checkpoint");

    mem_free(folder);
    return st;
}

enum status checkpoint_read(struct checkpoint *out, const char *data_dir, const char *label,
                            struct error *e)
{
    struct checkpoint *list, c = {.label = ""};
    size_t count;
    bool found = false;
    enum status st = checkpoint_labels(&list, &count, data_dir, e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++)
        found |= !strcmp(list[i].label, label);
    checkpoints_free(list, count);
    if (!found)
        return error_set(e, ST_NOT_FOUND, "there is no checkpoint %s", QUOTE(label));
    memcpy(c.label, label, strlen(label) + 1);
    st = read_label(&c, data_dir, e);
    if (st == ST_OK)
        *out = c;
    return st;
}

enum status checkpoint_list(struct checkpoint **list, size_t *count, const char *data_dir,
                            struct error *e)
{
    enum status st = checkpoint_labels(list, count, data_dir, e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < *count; i++) {
        struct error why;

        if (read_label(&(*list)[i], data_dir, &why) != ST_OK)
            (*list)[i].trouble = why;
    }
    return ST_OK;
}
