/* SPDX-License-Identifier: Apache-2.0 */
/* Codebooks by k-means, part by part: first on a sample of the rows, which is held, then twice on
   all of them as they stream by. Each of these passes gives every row the nearest vectors, and each
   vector then becomes the mean of the rows that have it, which no other vector beats. One thread.
   Memory: the sample, the codebook some times over, a block of rows. */
#include "fits/codes.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "fits/kmeans.h"
#include "fits/sample.h"
#include "fits/scan.h"

#define SAMPLE 256 /* rows for each vector: more change next to nothing */

enum { LOW, HIGH };

struct work {
    const struct code_fit *c;
    struct row_sample sample[2];
    struct scan scan;
    double trained; /* share of the work when the sample is done with */
    /* Of the passes over the table. */
    struct nearest *nearest[2]; /* [books] the vectors of each part that low and high rows have */
    size_t books;               /* parts, or 1 if they are shared */
    double *sum, *mass;         /* of each vector: [width] of weight * x, and of weights */
    float *part;                /* the rows' columns of one part */
    float *distance;
    uint32_t *number, *code; /* code [rows][parts] */
    size_t *member;          /* rows of the block that are in one group */
};

static bool is_high(const struct code_fit *c, uint64_t row)
{
    return c->map && (c->map[row / 8] >> row % 8 & 1);
}

static enum status take_samples(struct work *k, double to, struct error *e)
{
    const struct code_fit *c = k->c;
    const struct init init = {.seed = c->fit->seed};
    struct draws draws[] = {draws_of(&init, "rows"), draws_of(&init, "high rows")};
    /* A row of a shared codebook brings a point for each of its parts. */
    uint64_t each = c->book.step ? 1 : c->book.parts;
    struct scan *s = &k->scan;
    enum status st;

    st = row_sample_open(&k->sample[LOW], c->fit, NULL, c->k_low * SAMPLE / each + 1, e);
    if (st == ST_OK && c->map)
        st = row_sample_open(&k->sample[HIGH], c->fit, c->map, c->k * SAMPLE / each + 1, e);
    if (st != ST_OK)
        return st;
    scan_start(s, c->from, to);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            uint64_t row = s->first + i;
            const float *x = s->rows + i * c->fit->dim;

            row_sample_add(&k->sample[LOW], c->fit, row, x, draw_uniform(&draws[LOW], row));
            if (is_high(c, row))
                row_sample_add(&k->sample[HIGH], c->fit, row, x, draw_uniform(&draws[HIGH], row));
        }
    return st;
}

/* The columns of part `part` of a sample as points. With one part, or shared vectors, they lie
   there already. */
static struct points part_points(const struct work *k, const struct row_sample *s, size_t part,
                                 float *room)
{
    const struct codebook *book = &k->c->book;
    struct points p = {
        .x = s->rows, .weight = s->weight, .n = s->n, .width = book->width, .repeat = 1};

    if (k->books == 1) {
        p.n = s->n * book->parts;
        p.repeat = book->parts;
        return p;
    }
    for (size_t i = 0; i < s->n; i++)
        memcpy(room + i * book->width, s->rows + i * k->c->fit->dim + part * book->width,
               book->width * sizeof *room);
    p.x = room;
    return p;
}

static float *book_of(const struct codebook *book, size_t part)
{
    return book->data + part * book->step * book->width;
}

static enum status train(struct work *k, double from, struct error *e)
{
    const struct code_fit *c = k->c;
    const struct init init = {.seed = c->fit->seed};
    size_t most = k->sample[LOW].n > k->sample[HIGH].n ? k->sample[LOW].n : k->sample[HIGH].n;
    float *room = k->books > 1 ? mem_zero(most, c->book.width * sizeof *room) : NULL;
    struct kmeans_progress progress = {.fit = c->fit, .from = from};
    struct kmeans means;
    enum status st = kmeans_open(&means, c->book.width, c->k, e);

    if (st == ST_OK && k->books > 1 && !room)
        st = error_memory(e, "points of a part");
    for (size_t part = 0; st == ST_OK && part < k->books; part++) {
        const struct row_sample *s = &k->sample[HIGH];
        struct points points = part_points(k, &k->sample[LOW], part, room);
        double step = (k->trained - from) / (double)k->books;
        struct draws draws;
        char name[40];

        snprintf(name, sizeof name, "part %zu", part);
        draws = draws_of(&init, name);
        progress.from = from + (double)part * step;
        progress.to = progress.from + (c->map ? 0.5 : 1) * step;
        st =
            kmeans_run(&means, &points, book_of(&c->book, part), 0, c->k_low, &draws, &progress, e);
        if (st != ST_OK || !c->map)
            continue;
        points = part_points(k, s, part, room);
        progress.from = progress.to;
        progress.to = from + (double)(part + 1) * step;
        st = kmeans_run(&means, &points, book_of(&c->book, part), c->k_low, c->k, &draws, &progress,
                        e);
    }
    kmeans_close(&means);
    mem_free(room);
    return st;
}

static enum status open_passes(struct work *k, struct error *e)
{
    const struct code_fit *c = k->c;
    size_t places = k->books * c->k, rows = k->scan.room;
    enum status st = ST_OK;

    k->sum = mem_zero(places, c->book.width * sizeof *k->sum);
    k->mass = mem_zero(places, sizeof *k->mass);
    k->part = mem_zero(rows, c->book.width * sizeof *k->part);
    k->distance = mem_zero(rows, sizeof *k->distance);
    k->number = mem_zero(rows, sizeof *k->number);
    k->member = mem_zero(rows, sizeof *k->member);
    k->code = mem_zero(rows, c->book.parts * sizeof *k->code);
    k->nearest[LOW] = mem_zero(k->books, sizeof *k->nearest[LOW]);
    k->nearest[HIGH] = mem_zero(k->books, sizeof *k->nearest[HIGH]);
    if (!k->sum || !k->mass || !k->part || !k->distance || !k->number || !k->member || !k->code ||
        !k->nearest[LOW] || !k->nearest[HIGH])
        return error_memory(e, "sums of the codebook");
    for (size_t b = 0; st == ST_OK && b < k->books; b++) {
        st = nearest_open(&k->nearest[LOW][b], c->book.width, c->k_low, e);
        if (st == ST_OK && c->map)
            st = nearest_open(&k->nearest[HIGH][b], c->book.width, c->k, e);
    }
    return st;
}

static void close_passes(struct work *k)
{
    for (int g = LOW; g <= HIGH; g++) {
        for (size_t b = 0; k->nearest[g] && b < k->books; b++)
            nearest_close(&k->nearest[g][b]);
        mem_free(k->nearest[g]);
    }
    mem_free(k->code);
    mem_free(k->member);
    mem_free(k->number);
    mem_free(k->distance);
    mem_free(k->part);
    mem_free(k->mass);
    mem_free(k->sum);
}

/* One part of the n rows k->member of the block: their codes, and their share in the vectors. */
static void part_pass(struct work *k, int group, size_t part, size_t n)
{
    const struct code_fit *c = k->c;
    size_t width = c->book.width, book = k->books == 1 ? 0 : part;

    for (size_t m = 0; m < n; m++)
        memcpy(k->part + m * width, k->scan.rows + k->member[m] * c->fit->dim + part * width,
               width * sizeof *k->part);
    nearest_find(&k->nearest[group][book], k->part, n, k->number, k->distance);
    for (size_t m = 0; m < n; m++) {
        double w = (double)fit_weight(c->fit, k->scan.first + k->member[m]);
        size_t place = book * c->k + k->number[m];
        double *sum = k->sum + place * width;

        k->code[k->member[m] * c->book.parts + part] = k->number[m];
        k->mass[place] += w;
        for (size_t j = 0; j < width; j++)
            sum[j] += w * (double)k->part[m * width + j];
    }
}

static void write_codes(const struct work *k, struct code_stream *stream)
{
    const struct code_fit *c = k->c;

    for (size_t i = 0; i < k->scan.n; i++) {
        bool high = is_high(c, k->scan.first + i);
        struct code_stream *s = &stream[high && !c->one_stream];

        codes_pack(s->to, s->bits, k->code + i * c->book.parts, c->book.parts);
        s->to += s->bytes;
    }
}

static void set_means(struct work *k)
{
    size_t width = k->c->book.width;

    for (size_t place = 0; place < k->books * k->c->k; place++)
        for (size_t j = 0; k->mass[place] > 0 && j < width; j++) {
            double x = k->sum[place * width + j] / k->mass[place];

            k->c->book.data[place * width + j] = (float)(x > FLT_MAX    ? FLT_MAX
                                                         : x < -FLT_MAX ? -FLT_MAX
                                                                        : x);
        }
}

/* Once over the table; the last time the codes are written down. */
static enum status pass(struct work *k, double from, double to, bool last, struct error *e)
{
    const struct code_fit *c = k->c;
    struct code_stream stream[] = {c->stream[LOW], c->stream[HIGH]};
    struct scan *s = &k->scan;
    enum status st;

    memset(k->sum, 0, k->books * c->k * c->book.width * sizeof *k->sum);
    memset(k->mass, 0, k->books * c->k * sizeof *k->mass);
    for (size_t b = 0; b < k->books; b++) {
        nearest_set(&k->nearest[LOW][b], book_of(&c->book, b), c->k_low);
        if (c->map)
            nearest_set(&k->nearest[HIGH][b], book_of(&c->book, b), c->k);
    }
    scan_start(s, from, to);
    while ((st = scan_next(s, e)) == ST_OK && s->n) {
        for (int g = LOW; g <= HIGH; g++) {
            size_t n = 0;

            for (size_t i = 0; i < s->n; i++)
                if (is_high(c, s->first + i) == (g == HIGH))
                    k->member[n++] = i;
            for (size_t part = 0; n && part < c->book.parts; part++)
                part_pass(k, g, part, n);
        }
        if (last)
            write_codes(k, stream);
    }
    if (st == ST_OK)
        set_means(k);
    return st;
}

/* How much of the work is the training: turns on the sample against passes over all. */
static double training_share(const struct work *k)
{
    double low = (double)k->sample[LOW].n * (double)k->c->k_low;
    double high = (double)k->sample[HIGH].n * (double)k->c->k;
    double training = KMEANS_TURNS * (low + high);

    return training / (training + 2 * (double)k->c->fit->rows * (double)k->c->k + 1);
}

enum status codes_fit(const struct code_fit *c, struct error *e)
{
    struct work k = {.c = c, .books = c->book.step ? c->book.parts : 1};
    double taken = c->from + 0.02 * (1 - c->from), half;
    enum status st;

    if ((st = scan_open(&k.scan, c->fit, e)) != ST_OK || (st = take_samples(&k, taken, e)) != ST_OK)
        goto out;
    k.trained = taken + (1 - taken) * training_share(&k);
    if ((st = train(&k, taken, e)) != ST_OK)
        goto out;
    row_sample_close(&k.sample[LOW]);
    row_sample_close(&k.sample[HIGH]);
    half = (k.trained + 1) / 2;
    if ((st = open_passes(&k, e)) == ST_OK && (st = pass(&k, k.trained, half, false, e)) == ST_OK)
        st = pass(&k, half, 1, true, e);
out:
    close_passes(&k);
    row_sample_close(&k.sample[LOW]);
    row_sample_close(&k.sample[HIGH]);
    scan_close(&k.scan);
    return st;
}
