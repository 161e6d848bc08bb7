/* SPDX-License-Identifier: Apache-2.0 */
/* `embd.optimizer` as text, written by hand so that each number is the shortest that reads back as
   the same double: people see it in `describe`. */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/optimizer_settings.h"

#define NUMBER_MOST 32               /* -1.2345678901234567e-308 has 24 */
#define TEXT_MOST ((size_t)1024)     /* all keys, each with a number */
#define EXCEPTION_MOST ((size_t)160) /* a tensor's name, the key, a number */
#define EXACT_IN_DOUBLE ((uint64_t)1 << 53)

/* jansson knows how to write a number whatever the locale. */
static bool number(char out[NUMBER_MOST], double x)
{
    json_t *json = json_real(x);
    double back;
    size_t n = 1;

    out[0] = '\0';
    for (size_t digits = 15; json && n && digits <= 17; digits++) {
        n = json_dumpb(json, out, NUMBER_MOST - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        assert(n < NUMBER_MOST);
        out[n] = '\0';
        if (parse_double(out, &back) && back == x)
            break;
    }
    json_decref(json);
    return json && n;
}

struct text {
    char *start, *at, *end;
    bool complete;
};

static void put(struct text *t, const char *s)
{
    size_t n = strlen(s);

    assert(n < (size_t)(t->end - t->at));
    memcpy(t->at, s, n + 1);
    t->at += n;
}

static void put_key(struct text *t, const char *key)
{
    put(t, t->at[-1] == '{' ? "\"" : ",\"");
    put(t, key);
    put(t, "\":");
}

static void put_number(struct text *t, const char *key, double x)
{
    char digits[NUMBER_MOST];

    put_key(t, key);
    t->complete = number(digits, x) && t->complete;
    put(t, digits);
}

static void put_word(struct text *t, const char *key, const char *word)
{
    put_key(t, key);
    put(t, "\"");
    put(t, word);
    put(t, "\"");
}

/* Readers that only have doubles get large counts as text. */
static void put_count(struct text *t, const char *key, uint64_t n)
{
    char digits[NUMBER_MOST];

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    if (n > EXACT_IN_DOUBLE) {
        put_word(t, key, digits);
    } else {
        put_key(t, key);
        put(t, digits);
    }
}

static void put_tensors(struct text *t, const struct optimizer_settings *s)
{
    put_key(t, "tensors");
    put(t, "{");
    for (size_t i = 0; i < s->rates; i++) {
        put_key(t, s->rate[i].name);
        put(t, "{");
        put_number(t, "learning_rate", s->rate[i].learning_rate);
        put(t, "}");
    }
    put(t, "}");
}

static void put_all(struct text *t, const struct optimizer_settings *s)
{
    put(t, "{");
    put_number(t, "beta1", s->beta1);
    put_number(t, "beta2", s->beta2);
    put_number(t, "clip_norm", s->clip_norm);
    put_number(t, "epsilon", s->epsilon);
    put_number(t, "initial_accumulator", s->initial_accumulator);
    put_number(t, "learning_rate", s->learning_rate);
    put_word(t, "name", s->optimizer->name);
    if (s->scale_lr >= 0)
        put_number(t, "scale_lr", s->scale_lr);
    put_count(t, "step", s->step);
    if (s->rates)
        put_tensors(t, s);
    put_number(t, "weight_decay", s->weight_decay);
    put_word(t, "weight_decay_mode", s->decoupled ? "decoupled" : "l2");
    put(t, "}");
}

enum status optimizer_settings_write(char **out, const struct optimizer_settings *s,
                                     struct error *e)
{
    struct text t = {.complete = true};
    size_t room;

    assert(s->optimizer);
    if (!size_mul(s->rates, EXCEPTION_MOST, &room) || !size_add(room, TEXT_MOST, &room) ||
        !(t.start = mem_alloc(room)))
        return error_memory(e, "optimizer");
    t.at = t.start;
    t.end = t.start + room;
    put_all(&t, s);
    if (!t.complete) {
        mem_free(t.start);
        return error_memory(e, "optimizer");
    }
    *out = t.start;
    return ST_OK;
}
