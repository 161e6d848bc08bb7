/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, reading and writing files, with all that may lie in a folder besides files. */
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/memory.h"
#include "tests/unit/unit.h"

static int setup(void **state)
{
    struct unit_folder *f = calloc(1, sizeof *f);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    unit_folder_make(f);
    unit_write(unit_path(f, "file"), "content", 7);
    unit_write(unit_path(f, "outside"), "secret", 6);
    assert_int_equal(mkdir(unit_path(f, "dir"), 0755), 0);
    unit_write(unit_path(f, "dir/inside"), "inside", 6);
    assert_int_equal(mkfifo(unit_path(f, "fifo"), 0600), 0);
    assert_int_equal(symlink("file", unit_path(f, "link")), 0);
    assert_int_equal(symlink("gone", unit_path(f, "broken")), 0);
    assert_int_equal(symlink("../outside", unit_path(f, "dir/out")), 0);
    assert_int_equal(symlink(unit_path(f, "outside"), unit_path(f, "dir/absolute")), 0);
    assert_int_equal(symlink("inside", unit_path(f, "dir/near")), 0);
    assert_int_equal(symlink("..", unit_path(f, "dir/up")), 0);
    assert_int_equal(mkfifo(unit_path(f, "dir/fifo"), 0600), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    unit_folder_remove(*state);
    free(*state);
    return 0;
}

static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void test_open_takes_regular_files_only(void **state)
{
    static const struct {
        const char *path;
        enum status st;
        const char *words;
    } rows[] = {
        {"dir", ST_INVALID, "is a directory"}, {"fifo", ST_INVALID, "is a FIFO"},
        {"socket", ST_INVALID, "is a socket"}, {"gone", ST_NOT_FOUND, "No such file"},
        {"broken", ST_NOT_FOUND, "gone"},      {"file/x", ST_UNAVAILABLE, "Not a directory"},
    };
    struct unit_folder *f = *state;
    struct error e;
    struct stat st;
    int fd;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *words = strcmp(rows[i].path, "broken") ? rows[i].words : "broken";

        assert_fails(file_open(&fd, unit_path(f, rows[i].path), &st, &e), rows[i].st, e, words);
    }
    assert_fails(file_open(&fd, "/dev/zero", &st, &e), ST_INVALID, e, "is a character device");
    assert_ok(file_open(&fd, unit_path(f, "link"), &st, &e), e);
    assert_int_equal(st.st_size, 7);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    assert_ok(file_open(&fd, unit_path(f, "file"), NULL, &e), e);
    close(fd);
}

static void test_open_beneath_stays_beneath(void **state)
{
    static const struct {
        const char *path;
        enum status st;
        const char *words;
    } rows[] = {
        {"../outside", ST_PERMISSION, "leads out of the folder"},
        {"../dir/inside", ST_PERMISSION, "leads out of the folder"},
        {"/etc/passwd", ST_PERMISSION, "leads out of the folder"},
        {"out", ST_PERMISSION, "leads out of the folder"},
        {"absolute", ST_PERMISSION, "leads out of the folder"},
        {"up/outside", ST_PERMISSION, "leads out of the folder"},
        {"..", ST_PERMISSION, "leads out of the folder"},
        {".", ST_INVALID, "is a directory"},
        {"fifo", ST_INVALID, "is a FIFO"},
        {"gone", ST_NOT_FOUND, "No such file"},
        {"", ST_NOT_FOUND, "No such file"},
    };
    struct unit_folder *f = *state;
    int dir = open(unit_path(f, "dir"), O_RDONLY | O_DIRECTORY), fd;
    struct error e;
    struct stat st;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_fails(file_open_beneath(&fd, dir, rows[i].path, &st, &e), rows[i].st, e,
                     rows[i].words);
    assert_ok(file_open_beneath(&fd, dir, "inside", &st, &e), e);
    close(fd);
    assert_ok(file_open_beneath(&fd, dir, "near", &st, &e), e);
    assert_int_equal(st.st_size, 6);
    close(fd);
    close(dir);
}

static void test_read_is_bounded(void **state)
{
    struct unit_folder *f = *state;
    struct error e;
    char *text;
    size_t n;

    assert_ok(file_read(&text, &n, unit_path(f, "file"), 7, &e), e);
    assert_int_equal(n, 7);
    assert_string_equal(text, "content");
    mem_free(text);
    assert_fails(file_read(&text, &n, unit_path(f, "file"), 6, &e), ST_EXHAUSTED, e, "6 bytes");
    assert_fails(file_read(&text, &n, unit_path(f, "fifo"), 6, &e), ST_INVALID, e, "FIFO");
    assert_fails(file_read(&text, &n, "/dev/zero", 6, &e), ST_INVALID, e, "device");
    unit_write(unit_path(f, "empty"), "", 0);
    assert_ok(file_read(&text, &n, unit_path(f, "empty"), 0, &e), e);
    assert_int_equal(n, 0);
    assert_string_equal(text, "");
    mem_free(text);
    /* A file that does not tell its size. */
    assert_ok(file_read(&text, &n, "/proc/self/status", 1 << 20, &e), e);
    assert_true(n > 0 && strlen(text) == n);
    mem_free(text);
}

static void test_read_takes_standard_input(void **state)
{
    struct unit_folder *f = *state;
    int kept = dup(STDIN_FILENO), fd;
    char *big = malloc(100000), *text;
    struct error e;
    size_t n;

    for (int i = 0; i < 100000; i++)
        big[i] = (char)('a' + i % 26);
    unit_write(unit_path(f, "big"), big, 100000);
    for (size_t limit = 99999; limit <= 100000; limit++) {
        fd = open(unit_path(f, "big"), O_RDONLY);
        dup2(fd, STDIN_FILENO);
        close(fd);
        if (limit < 100000) {
            assert_fails(file_read(&text, &n, "-", limit, &e), ST_EXHAUSTED, e, "standard input");
            continue;
        }
        assert_ok(file_read(&text, &n, "-", limit, &e), e);
        assert_int_equal(n, 100000);
        assert_memory_equal(text, big, n);
        mem_free(text);
    }
    fd = open("/dev/zero", O_RDONLY); /* never ends */
    dup2(fd, STDIN_FILENO);
    close(fd);
    assert_fails(file_read(&text, &n, "-", 1000, &e), ST_EXHAUSTED, e, "1000 bytes");
    dup2(kept, STDIN_FILENO);
    close(kept);
    free(big);
}

static void test_pread(void **state)
{
    struct unit_folder *f = *state;
    int fd = open(unit_path(f, "file"), O_RDONLY);
    char text[8] = "";
    struct error e;

    assert_ok(file_pread(fd, text, 3, 4, &e), e);
    assert_string_equal(text, "ent");
    assert_ok(file_pread(fd, text, 0, 7, &e), e);
    assert_fails(file_pread(fd, text, 4, 4, &e), ST_DATA_LOSS, e, "ends at byte 7, 1 more");
    assert_fails(file_pread(fd, text, 1, UINT64_MAX, &e), ST_DATA_LOSS, e, "no file reaches");
    assert_fails(file_pread(fd, text, 1, INT64_MAX, &e), ST_DATA_LOSS, e, "no file reaches");
    assert_fails(file_pread(-1, text, 1, 0, &e), ST_UNAVAILABLE, e, "cannot read");
    close(fd);
}

static void test_identity_tells_a_change(void **state)
{
    struct unit_folder *f = *state;
    struct file_identity a, b;
    struct file_writer w;
    struct error e;

    assert_ok(file_identify(&a, unit_path(f, "file"), &e), e);
    assert_ok(file_identify(&b, unit_path(f, "link"), &e), e);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.size == 7 && a.mtime_ns > INT64_C(1700000000000000000));
    assert_ok(file_writer_open(&w, unit_path(f, "file"), &e), e);
    assert_ok(file_writer_add(&w, "CONTENT", 7, &e), e);
    assert_ok(file_writer_commit(&w, &e), e);
    assert_ok(file_identify(&b, unit_path(f, "file"), &e), e);
    assert_memory_not_equal(&a, &b, sizeof a); /* of the same size */
    assert_fails(file_identify(&a, unit_path(f, "gone"), &e), ST_NOT_FOUND, e, "gone");
    assert_fails(file_identify(&a, unit_path(f, "fifo"), &e), ST_INVALID, e, "FIFO");
}

static void assert_content(const char *path, const char *content)
{
    struct error e;
    char *text;
    size_t n;

    assert_ok(file_read(&text, &n, path, 1000, &e), e);
    assert_string_equal(text, content);
    mem_free(text);
}

static void test_writer_shows_nothing_before_the_commit(void **state)
{
    struct unit_folder *f = *state;
    unsigned before = entries(f->path);
    struct file_writer w;
    struct error e;
    struct stat st;

    umask(027);
    assert_ok(file_writer_open(&w, unit_path(f, "file"), &e), e);
    assert_memory_equal(w.temporary, w.path, strlen(w.path)); /* beside it */
    assert_string_equal(w.temporary + strlen(w.temporary) - 4, ".tmp");
    assert_ok(file_writer_add(&w, "new ", 4, &e), e);
    assert_ok(file_writer_add(&w, "text", 4, &e), e);
    assert_content(unit_path(f, "file"), "content");
    assert_int_equal(entries(f->path), before + 1);
    assert_ok(file_writer_commit(&w, &e), e);
    file_writer_abort(&w);
    assert_content(unit_path(f, "file"), "new text");
    assert_int_equal(entries(f->path), before);
    assert_int_equal(stat(unit_path(f, "file"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    umask(022);
}

static void test_writers_of_one_path_do_not_meet(void **state)
{
    struct unit_folder *f = *state;
    struct file_writer a, b;
    struct error e;

    assert_ok(file_writer_open(&a, unit_path(f, "new"), &e), e);
    assert_ok(file_writer_open(&b, unit_path(f, "new"), &e), e);
    assert_ok(file_writer_add(&a, "first", 5, &e), e);
    assert_ok(file_writer_add(&b, "second", 6, &e), e);
    assert_ok(file_writer_commit(&b, &e), e);
    assert_ok(file_writer_commit(&a, &e), e);
    assert_content(unit_path(f, "new"), "first");
}

static void test_abort_leaves_the_old_file(void **state)
{
    struct unit_folder *f = *state;
    unsigned before = entries(f->path);
    struct file_writer w = {0};
    struct error e;

    file_writer_abort(&w); /* zeroed */
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
    assert_ok(file_writer_open(&w, unit_path(f, "file"), &e), e);
    assert_ok(file_writer_add(&w, "new", 3, &e), e);
    file_writer_abort(&w);
    file_writer_abort(&w);
    assert_content(unit_path(f, "file"), "content");
    assert_int_equal(entries(f->path), before);
}

static void test_failed_writer_leaves_nothing(void **state)
{
    struct unit_folder *f = *state;
    unsigned before = entries(f->path);
    struct rlimit old, small;
    char bytes[1000] = {0};
    struct file_writer w;
    struct error e;

    assert_fails(file_writer_open(&w, unit_path(f, "gone/file"), &e), ST_NOT_FOUND, e, "gone");
    file_writer_abort(&w);
    assert_ok(file_writer_open(&w, unit_path(f, "dir"), &e), e); /* cannot be replaced by a file */
    assert_fails(file_writer_commit(&w, &e), ST_UNAVAILABLE, e, "in place");
    file_writer_abort(&w);
    assert_int_equal(entries(f->path), before);

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1500, old.rlim_max};
    assert_ok(file_writer_open(&w, unit_path(f, "file"), &e), e);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_ok(file_writer_add(&w, bytes, 1000, &e), e);
    assert_int_equal(file_writer_add(&w, bytes, 1000, &e), ST_UNAVAILABLE); /* written in part */
    setrlimit(RLIMIT_FSIZE, &old);
    assert_non_null(strstr(e.text, "File too large"));
    file_writer_abort(&w);
    assert_content(unit_path(f, "file"), "content");
    assert_int_equal(entries(f->path), before);
}

static void test_sync_folder(void **state)
{
    struct unit_folder *f = *state;
    struct error e;

    assert_ok(file_sync_folder(unit_path(f, "file"), &e), e);
    assert_ok(file_sync_folder("here", &e), e);
    assert_ok(file_sync_folder("/at-the-root", &e), e);
    assert_fails(file_sync_folder(unit_path(f, "gone/file"), &e), ST_NOT_FOUND, e, "folder");
}

#ifdef EMBD_DEVELOPER
static void test_every_failing_allocation_is_survived(void **state)
{
    struct unit_folder *f = *state;
    unsigned before = entries(f->path);
    enum status st = ST_EXHAUSTED;

    for (uint64_t n = 1; st != ST_OK; n++) {
        struct file_writer w = {0};
        struct error e = {""};
        char *text;
        size_t size;

        assert_true(n < 20);
        mem_fail_at(n, false);
        st = file_writer_open(&w, unit_path(f, "file"), &e);
        if (st == ST_OK)
            st = file_writer_add(&w, "content", 7, &e);
        if (st == ST_OK)
            st = file_writer_commit(&w, &e);
        if (st == ST_OK) {
            st = file_read(&text, &size, unit_path(f, "file"), 100, &e);
            if (st == ST_OK)
                mem_free(text);
        }
        mem_fail_at(0, false);
        assert_true(st == (mem_failed() ? ST_EXHAUSTED : ST_OK));
        file_writer_abort(&w);
        assert_content(unit_path(f, "file"), "content");
        assert_int_equal(entries(f->path), before);
    }
}
#endif

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_open_takes_regular_files_only),
        CASE(test_open_beneath_stays_beneath),
        CASE(test_read_is_bounded),
        CASE(test_read_takes_standard_input),
        CASE(test_pread),
        CASE(test_identity_tells_a_change),
        CASE(test_writer_shows_nothing_before_the_commit),
        CASE(test_writers_of_one_path_do_not_meet),
        CASE(test_abort_leaves_the_old_file),
        CASE(test_failed_writer_leaves_nothing),
        CASE(test_sync_folder),
#ifdef EMBD_DEVELOPER
        CASE(test_every_failing_allocation_is_survived),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
