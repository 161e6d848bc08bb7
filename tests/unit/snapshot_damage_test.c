/* SPDX-License-Identifier: Apache-2.0 */
/* Damage of snapshots on the disk: it is seen wherever it is, the file is named, and the other
   lineage opens. */
#include "tests/unit/snapshot_scene.h"

#include "table/blocks_file.h"

/* Lineage a: whole at version 10, blocks at 12 and 14; b: whole at 11, blocks at 13. */
struct damage {
    struct scene s;
    struct snapshot a[3], b[2];
    unsigned char *at[2]; /* memory of the newest of each lineage */
    size_t size;
    bool forged; /* all checksums are right */
};

static void take(struct damage *d, struct snapshot *out, unsigned lineage, bool whole)
{
    struct error e;

    scene_push(&d->s, 5);
    assert_ok(scene_snapshot(&d->s, lineage, whole, d->at[lineage], NULL, &e), e);
    *out = d->s.newest[lineage];
}

static int setup(void **state)
{
    struct damage *d = calloc(1, sizeof *d);

    scene_begin(&d->s);
    scene_start(&d->s, &scene_tables[0], "adam");
    d->size = d->s.table->region->size;
    d->at[0] = malloc(d->size);
    d->at[1] = malloc(d->size);
    d->a[0] = d->s.newest[0];
    blocks_reset(d->s.blocks, 1, true);
    take(d, &d->b[0], 1, true);
    take(d, &d->a[1], 0, false);
    take(d, &d->b[1], 1, false);
    take(d, &d->a[2], 0, false);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct damage *d = *state;

    scene_end(&d->s);
    free(d->at[0]);
    free(d->at[1]);
    free(d);
    return 0;
}

/* Open what the folder lists, newest first, as a start does. Each one that is refused names `path`;
   the first that opens is the newest of `lineage`. Returns how many were refused. */
static unsigned open_in_turn(struct damage *d, const char *path, unsigned lineage)
{
    const struct table_options options = {.memory = REGION_COPY};
    struct snapshot *list;
    struct table *t = NULL;
    unsigned refused = 0;
    struct error e;
    size_t count;

    assert_ok(snapshot_list(&list, &count, d->s.name, 3, &e), e);
    for (size_t i = 0; i < count && !t; i++) {
        enum status st = snapshot_open(&t, &list[i], &options, &e);

        if (st == ST_OK) {
            assert_true(list[i].lineage == lineage && !list[i].damaged);
            assert_int_equal(t->region->size, d->size);
            assert_memory_equal(t->region->data, d->at[lineage], d->size);
            break;
        }
        refused++;
        assert_true(!list[i].damaged || list[i].lsn == SNAPSHOT_LSN_DAMAGED);
        assert_int_equal(st, ST_DATA_LOSS);
        if (!strstr(e.text, path))
            fail_msg("\"%s\" does not name %s", e.text, path);
        if (!d->forged)
            assert_fails(snapshot_verify(&list[i], &e), ST_DATA_LOSS, e, path);
    }
    assert_non_null(t);
    table_close(t);
    mem_free(list);
    return refused;
}

struct bytes {
    unsigned char *data;
    size_t n;
};

static struct bytes read_all(const char *path)
{
    struct bytes b = {malloc(1 << 20), 0};
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    b.n = fread(b.data, 1, 1 << 20, file);
    assert_true(b.n > 0 && b.n < 1 << 20);
    fclose(file);
    return b;
}

static void flip(const char *path, size_t at, unsigned char bits)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* One bit, in each byte of the header and in every 13th of the data. */
static void test_flipped_bits(void **state)
{
    struct damage *d = *state;
    struct random r = {1};

    for (int i = 0; i < 3; i++) {
        struct bytes b = read_all(d->a[i].path);
        uint64_t header;

        memcpy(&header, b.data, 8);
        for (size_t at = 0; at < b.n; at += at < header + 8 ? 1 : 13) {
            unsigned char bit = (unsigned char)(1 << random_below(&r, 8));

            flip(d->a[i].path, at, bit);
            /* Of a, only those are refused that need the file. */
            open_in_turn(d, d->a[i].path, 1);
            flip(d->a[i].path, at, bit);
        }
        free(b.data);
        assert_int_equal(open_in_turn(d, "", 0), 0);
    }
    flip(d->b[0].path, d->b[0].bytes - 1, 1);
    assert_int_equal(open_in_turn(d, "", 0), 0); /* the other lineage is not asked */
    flip(d->a[0].path, d->a[0].bytes - 1, 1);
}

static void test_truncated(void **state)
{
    struct damage *d = *state;

    for (int i = 0; i < 3; i++) {
        struct bytes b = read_all(d->a[i].path);

        for (size_t n = 0; n < b.n; n = n < 20 || n + 20 > b.n ? n + 1 : n * 3 / 2) {
            if (n * 3 / 2 > b.n && n + 20 < b.n)
                n = b.n - 20;
            assert_int_equal(truncate(d->a[i].path, (off_t)n), 0);
            assert_true(open_in_turn(d, d->a[i].path, 1) >= 1);
        }
        unit_write(d->a[i].path, b.data, b.n);
        assert_int_equal(truncate(d->a[i].path, (off_t)b.n + 1), 0);
        assert_true(open_in_turn(d, d->a[i].path, 1) >= 1);
        unit_write(d->a[i].path, b.data, b.n);
        assert_int_equal(open_in_turn(d, "", 0), 0);
        free(b.data);
    }
}

static void test_missing_link(void **state)
{
    struct damage *d = *state;
    char away[PATH_MAX];

    for (int i = 0; i < 2; i++) {
        snprintf(away, sizeof away, "%s/away", d->s.folder.path);
        assert_int_equal(rename(d->a[i].path, away), 0);
        assert_true(open_in_turn(d, d->a[i + 1].path, 1) >= 1); /* the one that misses it */
        assert_int_equal(rename(away, d->a[i].path), 0);
    }
    assert_int_equal(rename(d->a[2].path, away), 0);
    free(d->at[0]);
    d->at[0] = NULL;
    assert_int_equal(open_in_turn(d, "", 1), 0); /* nothing says that there ever was a newer one */
    assert_int_equal(rename(away, d->a[2].path), 0);
}

/* Put the content of `from` under the name of `to`. */
static void copy(const char *from, const char *to)
{
    struct bytes b = read_all(from);

    unit_write(to, b.data, b.n);
    free(b.data);
}

static void test_swapped_files(void **state)
{
    struct damage *d = *state;
    struct bytes keep[3];

    for (int i = 0; i < 3; i++)
        keep[i] = read_all(d->a[i].path);
    /* A file under the name of another. */
    const struct snapshot *from[] = {&d->b[0], &d->b[1], &d->a[0], &d->a[1], &d->a[2]};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 5; k++) {
            if (!strcmp(from[k]->path, d->a[i].path))
                continue;
            copy(from[k]->path, d->a[i].path);
            assert_true(open_in_turn(d, d->a[i].path, 1) >= 1);
            unit_write(d->a[i].path, keep[i].data, keep[i].n);
        }
    assert_int_equal(open_in_turn(d, "", 0), 0);
    for (int i = 0; i < 3; i++)
        free(keep[i].data);
}

/* A whole snapshot of the right version and generation, but of another history: the blocks were not
   made for it. */
static void test_foreign_base(void **state)
{
    struct damage *d = *state;
    struct snapshot_start start = {
        .settings = &d->s.settings, .generation = 3, .version = 10, .lsn = 100};
    struct scene other;
    struct snapshot s;
    struct table *t;
    struct error e;

    scene_begin(&other);
    other.random.state = 99;
    scene_write(unit_path(&other.folder, "source"), &scene_tables[0], &other.random, NULL, NULL);
    t = scene_open(unit_path(&other.folder, "source"), REGION_MAP);
    assert_ok(snapshot_start(other.name, t, &start, &s, &e), e);
    table_close(t);
    copy(s.path, d->a[0].path);
    assert_true(open_in_turn(d, "than the one that is there", 1) >= 1);
    scene_end(&other);
}

static void test_links_are_not_followed(void **state)
{
    struct damage *d = *state;
    char away[PATH_MAX];

    for (int i = 0; i < 3; i++) {
        snprintf(away, sizeof away, "%s/away", d->s.folder.path);
        assert_int_equal(rename(d->a[i].path, away), 0);
        assert_int_equal(symlink(away, d->a[i].path), 0);
        assert_true(open_in_turn(d, "is a symbolic link", 1) >= 1);
        assert_int_equal(unlink(d->a[i].path), 0);
        assert_int_equal(mkfifo(d->a[i].path, 0600), 0);
        assert_true(open_in_turn(d, "is not a regular file", 1) >= 1);
        assert_int_equal(unlink(d->a[i].path), 0);
        assert_int_equal(mkdir(d->a[i].path, 0700), 0);
        assert_true(open_in_turn(d, "is not a regular file", 1) >= 1);
        assert_int_equal(rmdir(d->a[i].path), 0);
        assert_int_equal(rename(away, d->a[i].path), 0);
    }
}

/* Write a file of one block with the right checksums, as somebody would who wants to be believed.
 */
static void forge(const struct damage *d, const char *path, uint64_t index, const void *block,
                  const char *optimizer)
{
    unsigned char data[8 + BLOCK_BYTES], *header;
    char base[24], sum[24];
    const struct metadata metadata[] = {
        {"embd.version", "1"}, {"embd.header", HEADER_UNSEALED}, {"embd.applied", "14"},
        {"embd.lsn", "108"},   {"embd.generation", "3"},         {"embd.blocks", "12"},
        {"embd.base", base},   {"embd.checksum", sum},           {"embd.optimizer", optimizer},
    };
    const struct tensor tensor[] = {
        {"index", DT_U64, 1, {1}, 1, 8, NULL},
        {"data", DT_U8, 2, {1, BLOCK_BYTES}, BLOCK_BYTES, BLOCK_BYTES, NULL},
    };
    const size_t place[] = {0, 8};
    struct error e;
    size_t n;
    FILE *file;

    memcpy(data, &index, 8);
    memcpy(data + 8, block, BLOCK_BYTES);
    snprintf(base, sizeof base, "%016llx", (unsigned long long)d->a[1].checksum);
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)hash_bytes(data, sizeof data));
    assert_ok(header_build(&header, &n, metadata, 9, tensor, place, 2, &e), e);
    assert_true(header_seal(header, n));
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(header, 1, n, file) + fwrite(data, 1, sizeof data, file),
                     n + sizeof data);
    assert_int_equal(fclose(file), 0);
    mem_free(header);
}

/* Checksums that are right do not make values right. */
static void test_forged_blocks(void **state)
{
    static const unsigned char zeros[BLOCK_BYTES], ones[BLOCK_BYTES] = {0, 0, 0xc0, 0x7f};
    const char *sgd = "{\"name\":\"sgd\"}";
    struct damage *d = *state;
    struct table *t;
    uint64_t last = d->size / BLOCK_BYTES;
    struct error e;

    d->forged = true;
    forge(d, d->a[2].path, 0, zeros, sgd);
    t = scene_open_snapshot(&d->a[2]); /* so the forging itself is good */
    assert_string_equal(t->optimizer, sgd);
    assert_true(t->applied == 14 && t->lsn == 108);
    assert_memory_equal(t->region->data, zeros, BLOCK_BYTES);
    assert_true(t->checksum == hash_bytes(t->region->data, d->size));
    table_close(t);
    forge(d, d->a[2].path, 0, ones, sgd);
    assert_int_equal(open_in_turn(d, d->a[2].path, 1), 1);
    forge(d, d->a[2].path, last + 1, zeros, sgd);
    assert_int_equal(open_in_turn(d, d->a[2].path, 1), 1);
    forge(d, d->a[2].path, UINT64_MAX / BLOCK_BYTES, zeros, sgd);
    assert_int_equal(open_in_turn(d, d->a[2].path, 1), 1);
    forge(d, d->a[2].path, 0, zeros, "{\"name\":\"frob\"}");
    assert_ok(snapshot_verify(&d->a[2], &e), e); /* the files are what they were written as */
}

/* The optimizer's text of the newest blocks is read like that of any file. */
static void test_forged_optimizer(void **state)
{
    static const unsigned char zeros[BLOCK_BYTES];
    const struct table_options options = {.memory = REGION_COPY};
    struct damage *d = *state;
    struct table *t = NULL;
    struct error e;

    forge(d, d->a[2].path, 0, zeros, "{\"name\":\"frob\"}");
    assert_fails(snapshot_open(&t, &d->a[2], &options, &e), ST_DATA_LOSS, e, "embd.optimizer");
    assert_non_null(strstr(e.text, d->a[2].path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flipped_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swapped_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_base, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged_optimizer, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
