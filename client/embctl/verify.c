/* SPDX-License-Identifier: Apache-2.0 */
/* embctl verify: every check that a daemon makes before it serves a file; of a file of changed
   blocks what can be checked without the snapshots before it. */
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/embctl/blocks_info.h"
#include "client/embctl/commands.h"
#include "client/embctl/file_info.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/progress.h"

static bool show(void *context, double done)
{
    progress_show(context, done);
    return true;
}

static int print_result(const struct arguments *a, const struct table *t, double seconds)
{
    bool stored = header_metadata(&t->header, "embd.checksum") != NULL;
    char text[128];
    struct document j;

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "file", a->operand[0]);
        doc_bool(&j, "good", true);
        json_table(&j, t);
        doc_bool(&j, "checksum_stored", stored);
        doc_real(&j, "seconds", seconds);
        doc_close(&j);
        return doc_finish(&j);
    }
    print_safe(a->operand[0]);
    printf(": %sgood%s\n", style(STYLE_GREEN), style(STYLE_NONE));
    print_pair(8, "table", "%s", file_summary(text, sizeof text, t));
    print_pair(8, "checksum", "%016" PRIx64 "%s", t->checksum,
               stored ? ", as the file says" : " (the file holds none to compare)");
    print_pair(8, "took", "%s", format_duration((char[32]){0}, seconds * 1e6));
    return finish_output();
}

static int print_blocks_result(const struct arguments *a, const struct blocks_file *f,
                               double seconds)
{
    struct document j;
    char text[128];

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "file", a->operand[0]);
        doc_bool(&j, "good", true);
        json_blocks(&j, f);
        doc_real(&j, "seconds", seconds);
        doc_close(&j);
        return doc_finish(&j);
    }
    print_safe(a->operand[0]);
    printf(": %sgood%s\n", style(STYLE_GREEN), style(STYLE_NONE));
    print_pair(8, "blocks", "%s", blocks_summary(text, sizeof text, f));
    print_pair(8, "checksum", "%016" PRIx64 ", as the file says", f->moment.checksum);
    print_pair(8, "took", "%s", format_duration((char[32]){0}, seconds * 1e6));
    return finish_output();
}

/* Blocks alone: whether they fit the snapshot before them is for the daemon, which has both. */
static int verify_blocks(const struct arguments *a, const struct blocks_file *f, int fd,
                         struct progress *progress, uint64_t start_us)
{
    const struct blocks_target check = {.size = SIZE_MAX, .progress = show, .context = progress};
    struct error e;
    enum status st = blocks_file_read(f, fd, &check, &e);

    progress_end(progress);
    if (st == ST_OK)
        return print_blocks_result(a, f, (double)(clock_now_us() - start_us) / 1e6);
    error_prefix(&e, st, "%s", a->operand[0]);
    return fail(&e);
}

static int verify_table(const struct arguments *a, struct progress *progress, uint64_t start_us)
{
    struct table_options options = file_options();
    struct table *t = NULL;
    struct error e;
    enum status st;
    int done;

    options.progress = show;
    options.context = progress;
    st = table_open(&t, a->operand[0], &options, &e);
    progress_end(progress);
    done = st == ST_OK ? print_result(a, t, (double)(clock_now_us() - start_us) / 1e6) : fail(&e);
    table_close(t);
    return done;
}

static int run(const struct arguments *a)
{
    uint64_t start_us = clock_now_us();
    struct progress progress;
    struct blocks_file f;
    struct stat file;
    struct error e;
    int fd, done;

    if (blocks_open(&f, &fd, a->operand[0], &e) != ST_OK)
        return fail(&e);
    progress_start(&progress, "verify",
                   stat(a->operand[0], &file) == 0 ? (uint64_t)file.st_size : 0, NULL);
    if (fd < 0)
        return verify_table(a, &progress, start_us);
    done = verify_blocks(a, &f, fd, &progress, start_us);
    blocks_file_done(&f);
    close(fd);
    return done;
}

const struct command command_verify = {
    .name = "verify",
    .operands = "FILE",
    .help = "Check a table file in full",
    .more =
        "The exit status is 0 for a file that a daemon would serve, and 1 for any other. A file\n"
        "of changed blocks from a daemon's data folder is held against its own checksum.\n",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
