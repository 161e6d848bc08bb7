/* SPDX-License-Identifier: Apache-2.0 */
/* The registry in memory: all names, sorted, and the list of those that are not forgotten. */
#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "storage/registry_parts.h"

struct name *name_new(const char *file, const char *options)
{
    struct name *name = mem_zero(1, sizeof *name);

    if (!name)
        return NULL;
    name->now.file = mem_text(file, strlen(file));
    name->now.options = mem_text(options, strlen(options));
    if (name->now.file && name->now.options)
        return name;
    name_free(name);
    return NULL;
}

void name_free(struct name *name)
{
    if (!name)
        return;
    mem_free(name->now.file);
    mem_free(name->now.options);
    mem_free(name);
}

enum status names_reserve(struct registry *r, size_t more, struct error *e)
{
    size_t room = r->capacity ? r->capacity : 16;
    const struct registered **list;
    struct name **names;

    if (r->count + more <= r->capacity)
        return ST_OK;
    while (room < r->count + more)
        room *= 2;
    names = mem_resize(r->names, room, sizeof(struct name *));
    if (!names)
        return error_memory(e, "registry");
    r->names = names;
    list = mem_resize(r->list, room, sizeof *list);
    if (!list)
        return error_memory(e, "registry");
    r->list = list;
    r->capacity = room;
    return ST_OK;
}

size_t names_find(const struct registry *r, const char *name, bool *found)
{
    size_t low = 0, high = r->count;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(r->names[middle]->now.name, name);

        if (order == 0)
            *found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void names_put(struct registry *r, struct name *name)
{
    bool found;
    size_t place = names_find(r, name->now.name, &found);

    if (found) {
        name_free(r->names[place]);
    } else {
        assert(r->count < r->capacity);
        memmove(r->names + place + 1, r->names + place, (r->count - place) * sizeof *r->names);
        r->count++;
    }
    r->names[place] = name;
    r->listed = 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->names[i]->state != TABLE_FORGOTTEN)
            r->list[r->listed++] = &r->names[i]->now;
}
