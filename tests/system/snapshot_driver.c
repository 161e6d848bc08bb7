/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots taken by a process that tests kill, starve and cut off from its disk.

     snapshot_driver run DATA ROUNDS    go on from the newest snapshot, or begin; ROUNDS pushes,
   each followed by a snapshot of the lineage whose turn it is: "saved VERSION LINEAGE" or "failed
   STATUS SENTENCE" a line snapshot_driver check DATA         hold every snapshot that opens against
   what the table was at its version: "good|bad VERSION LINEAGE" a line, newest first
     snapshot_driver memory DATA FILE   the memory of the newest one into FILE

   A table is made of its version alone: push v sets elements that v chooses to values that v
   chooses. So whoever knows the version knows every byte. */
#include "tests/unit/snapshot_scene.h"

#define FIRST_VERSION ((uint64_t)10)
#define GENERATION 3

static void set_folder(struct scene *s, const char *data)
{
    memset(s, 0, sizeof *s);
    snprintf(s->name, sizeof s->name, "%s/tables/T", data);
    s->version = FIRST_VERSION;
    s->lsn = 100;
}

static void push_next(struct scene *s)
{
    s->random.state = s->version * 1000003;
    scene_push(s, 6);
}

static void say_failed(enum status st, const struct error *e)
{
    printf("failed %s %s\n", status_name(st), e->text);
    fflush(stdout);
}

/* The source is made anew and is always the same; the first snapshot is version FIRST_VERSION. */
static enum status start(struct scene *s, const char *data, struct error *e)
{
    struct snapshot_start start = {
        .settings = &s->settings, .generation = GENERATION, .version = s->version, .lsn = s->lsn};
    char path[256];
    struct table *source;
    enum status st;

    snprintf(path, sizeof path, "%s/source", data);
    if (access(path, F_OK) < 0) {
        s->random.state = 1;
        scene_write(path, &scene_tables[1], &s->random, NULL, NULL);
    }
    source = scene_open(path, REGION_COPY);
    st = snapshot_start(s->name, source, &start, &s->newest[0], e);
    table_close(source);
    return st;
}

/* Open the newest snapshot that is good, and begin the other lineage anew. ST_NOT_FOUND if there is
   none. */
static enum status open_newest(struct scene *s)
{
    const struct table_options options = {.memory = REGION_COPY};
    struct snapshot *list;
    enum status st;
    struct error e;
    size_t count;

    st = snapshot_list(&list, &count, s->name, GENERATION, &e);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count && !s->table; i++)
        if (snapshot_open(&s->table, &list[i], &options, &e) == ST_OK)
            s->newest[list[i].lineage] = list[i];
    mem_free(list);
    if (!s->table)
        return count ? ST_DATA_LOSS : ST_NOT_FOUND;
    s->version = s->table->applied;
    s->lsn = s->table->lsn;
    s->settings.step = s->version - FIRST_VERSION;
    assert_ok(blocks_new(&s->blocks, s->table->region->data, s->table->region->size, &e), e);
    for (unsigned lineage = 0; lineage < LINEAGES; lineage++)
        blocks_reset(s->blocks, lineage, !s->newest[lineage].path[0]);
    return ST_OK;
}

static int run(const char *data, int rounds)
{
    struct scene s;
    struct error e;
    enum status st;
    unsigned lineage;

    set_folder(&s, data);
    s.settings = scene_settings("adam");
    st = open_newest(&s);
    if (st == ST_NOT_FOUND) {
        st = start(&s, data, &e);
        if (st != ST_OK) {
            say_failed(st, &e);
            return 0;
        }
        printf("saved %d 0\n", (int)s.version);
        fflush(stdout);
        st = open_newest(&s);
    }
    if (st != ST_OK)
        return 3; /* nothing to go on from */
    lineage = s.newest[0].path[0] ? 1 : 0;
    while (rounds-- > 0) {
        const struct snapshot *base = s.newest[lineage].path[0] ? &s.newest[lineage] : NULL;

        push_next(&s);
        st = scene_snapshot(&s, lineage, snapshot_fold(base, s.table->header.data_bytes), NULL,
                            NULL, &e);
        if (st != ST_OK) {
            say_failed(st, &e); /* and the lineage keeps its turn */
            continue;
        }
        printf("saved %d %u\n", (int)s.version, lineage);
        fflush(stdout);
        lineage ^= 1;
        st = snapshot_prune(s.name, GENERATION, 0, &e);
        if (st != ST_OK)
            say_failed(st, &e);
    }
    scene_close(&s);
    return 0;
}

/* The table at a version, made anew in memory. */
static void expect_version(const struct table *t, const char *data)
{
    struct table *first;
    struct snapshot made;
    struct scene s;
    char path[256];
    struct error e;
    struct snapshot_start start = {
        .settings = &s.settings, .generation = GENERATION, .version = FIRST_VERSION, .lsn = 100};

    scene_begin(&s);
    s.settings = scene_settings("adam");
    snprintf(path, sizeof path, "%s/source", data);
    first = scene_open(path, REGION_COPY);
    assert_ok(snapshot_start(s.name, first, &start, &made, &e), e);
    table_close(first);
    s.newest[0] = made;
    assert_int_equal(open_newest(&s), ST_OK);
    while (s.version < t->applied)
        push_next(&s);
    assert_int_equal(t->lsn, s.lsn);
    assert_int_equal(t->region->size, s.table->region->size);
    assert_memory_equal(t->region->data, s.table->region->data, t->region->size);
    scene_end(&s);
}

static int check(const char *data)
{
    const struct table_options options = {.memory = REGION_COPY};
    struct snapshot *list;
    struct scene s;
    struct error e;
    size_t count;

    set_folder(&s, data);
    assert_ok(snapshot_list(&list, &count, s.name, GENERATION, &e), e);
    for (size_t i = 0; i < count; i++) {
        struct table *t = NULL;
        enum status st = snapshot_open(&t, &list[i], &options, &e);

        if (st == ST_OK)
            expect_version(t, data);
        printf("%s %d %u\n", st == ST_OK ? "good" : "bad", (int)list[i].version, list[i].lineage);
        if (st != ST_OK)
            fprintf(stderr, "%s\n", e.text);
        table_close(t);
    }
    mem_free(list);
    return 0;
}

static int memory(const char *data, const char *path)
{
    struct scene s;

    set_folder(&s, data);
    if (open_newest(&s) != ST_OK)
        return 1;
    unit_write(path, s.table->region->data, s.table->region->size);
    scene_close(&s);
    return 0;
}

int main(int argc, char **argv)
{
    struct error e;

    assert_ok(kernels_init(NULL, &e), e);
    if (argc == 4 && !strcmp(argv[1], "run"))
        return run(argv[2], atoi(argv[3]));
    if (argc == 3 && !strcmp(argv[1], "check"))
        return check(argv[2]);
    if (argc == 4 && !strcmp(argv[1], "memory"))
        return memory(argv[2], argv[3]);
    fprintf(stderr, "snapshot_driver run DATA ROUNDS | check DATA | memory DATA FILE\n");
    return 2;
}
