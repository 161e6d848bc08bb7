/* SPDX-License-Identifier: Apache-2.0 */
/* Which recipe the arrays are of, and what fields their names speak of. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/import/import.h"

/* The recipes of all sources, one after the other; NULL at the end. */
static const struct recipe *recipe_at(size_t i)
{
    const struct recipe *r = hetu_recipes;

    while (r->source && i--)
        r++;
    if (r->source)
        return r;
    for (r = other_recipes; r->source && i--; r++)
        ;
    return r->source ? r : NULL;
}

bool import_source_known(const char *source)
{
    const struct recipe *r;

    for (size_t i = 0; (r = recipe_at(i)); i++)
        if (!strcmp(r->source, source))
            return true;
    return false;
}

bool import_is_state(const char *name)
{
    static const char *const ends[] = {"adagrad_accum", "adam_m",     "adam_v",
                                       "adam_maxv",     "momentum_v", "betats"};
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]);

        if ((n >= m && !strcmp(name + n - m, ends[i])) || strstr(name, "_betats"))
            return true;
    }
    return false;
}

/* ---- Which recipe ---- */

bool recipe_is_full(const struct recipe *r)
{
    return !strcmp(r->method, "full");
}

/* How well the arrays fit: twice the number of pieces that are there, of any field; 1 if a required
   one is missing everywhere, so that a whole set goes before pieces of another. */
static int matches(const struct recipe *r, const struct arrays *a)
{
    int found = 0;
    bool whole = true;

    for (size_t i = 0; i < r->pieces; i++) {
        bool there = false;
        long field;

        for (size_t k = 0; !there && k < a->count; k++)
            there = piece_matches(&r->piece[i], a->one[k].name, &field);
        found += there;
        whole = whole && (there || r->piece[i].flags & PIECE_OPTIONAL);
    }
    return whole || !found ? 2 * found : 1;
}

static bool is_method(const struct recipe *r, const char *method)
{
    size_t n = strlen(method);
    const char *at = strstr(r->method, method);

    return at && (at == r->method || at[-1] == ' ') && (!at[n] || at[n] == ' ');
}

/* Tables of several groups of rows, which the authors' retrieval code makes. */
static enum status refuse_groups(const struct arrays *a, struct error *e)
{
    for (size_t i = 0; i < a->count; i++)
        if (!strncmp(a->one[i].name, "Magnitude", 9))
            return error_set(e, ST_INVALID,
                             "%s is of a table whose rows are grouped by magnitude, each group "
                             "with sizes of its own; these cannot be imported",
                             QUOTE(a->one[i].name));
    return ST_OK;
}

enum status recipe_find(const struct recipe **out, const struct arrays *a, const char *source,
                        const char *method, struct error *e)
{
    const struct recipe *best = NULL, *second = NULL, *r;
    enum status st = refuse_groups(a, e);
    int most = 0;

    if (st != ST_OK)
        return st;
    for (size_t i = 0; (r = recipe_at(i)); i++) {
        int found = strcmp(r->source, source) ? 0 : matches(r, a);

        if (!found || (method && !is_method(r, method)) || (recipe_is_full(r) && best))
            continue;
        if (found > most) {
            second = most > 1 ? best : NULL;
            best = r;
            most = found;
        } else if (found > 1 && most > 1 && strcmp(r->title, best->title)) {
            second = r;
        }
    }
    if (!best)
        return error_set(e, ST_INVALID, "none of the %zu arrays belongs to a table%s%s of %s",
                         a->count, method ? " by " : "", method ? method : "", source);
    if (second && strcmp(second->title, best->title))
        return error_set(e, ST_INVALID, "there are arrays of %s and of %s: choose by --method",
                         best->title, second->title);
    *out = best;
    return ST_OK;
}

/* Fields are left full under the source's recipe for full tables. */
const struct recipe *recipe_of_full(const char *source)
{
    const struct recipe *r;

    for (size_t i = 0; (r = recipe_at(i)); i++)
        if (!strcmp(r->source, source) && recipe_is_full(r))
            break;
    return r;
}

/* ---- Which fields ---- */

bool recipe_has_field(const struct recipe *r, const struct arrays *a, long field)
{
    long found;

    for (size_t i = 0; r && i < r->pieces; i++)
        for (size_t k = 0; k < a->count; k++)
            if (piece_matches(&r->piece[i], a->one[k].name, &found) && found == field)
                return true;
    return false;
}

/* Numbers of fields in the names: the parts, 0 for a table that is one. */
size_t recipe_fields(const struct recipe *r, const struct arrays *a)
{
    const struct recipe *full = recipe_of_full(r->source);
    long most = -1, found;

    if (recipe_has_field(r, a, -1)) /* then fields that were left full are of another table */
        return 0;
    for (size_t k = 0; k < a->count; k++) {
        for (size_t i = 0; i < r->pieces; i++)
            if (piece_matches(&r->piece[i], a->one[k].name, &found) && found > most)
                most = found;
        for (size_t i = 0; full && i < full->pieces; i++)
            if (piece_matches(&full->piece[i], a->one[k].name, &found) && found > most)
                most = found;
    }
    return (size_t)(most + 1);
}

/* "int8 int16": by the bytes of an element. */
enum status recipe_method(const struct method **out, const struct recipe *r, const struct arrays *a,
                          struct error *e)
{
    const char *name = r->method, *second = strchr(name, ' ');
    size_t n = strcspn(name, " ");
    long field;

    for (size_t k = 0; second && k < a->count; k++)
        if (piece_matches(&r->piece[0], a->one[k].name, &field) &&
            dtype_size(a->one[k].tensor.dtype) == 2) {
            name = second + 1;
            n = strlen(name);
            break;
        }
    *out = method_find(name, n);
    return *out ? ST_OK
                : error_set(e, ST_INVALID,
                            "%s are tables of the method %.*s, which is not in this "
                            "build",
                            r->title, (int)n, name);
}
