/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target once on every file of the folders (or on the files) that are its arguments:
   what a fuzz target does in the tests, without a fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void die(const char *path)
{
    perror(path);
    exit(1);
}

static unsigned run_file(const char *path, size_t n)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(n ? n : 1); /* exact, so that a sanitizer sees the first byte past it */

    if (!file || !data || fread(data, 1, n, file) != n)
        die(path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 1;
}

static unsigned run_path(const char *path)
{
    struct dirent *entry;
    struct stat st;
    unsigned count = 0;
    DIR *folder;

    if (stat(path, &st) < 0)
        die(path);
    if (!S_ISDIR(st.st_mode))
        return run_file(path, (size_t)st.st_size);
    folder = opendir(path);
    if (!folder)
        die(path);
    while ((entry = readdir(folder))) {
        char inner[4096];

        if (entry->d_name[0] == '.')
            continue;
        if ((size_t)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= sizeof inner)
            die(path);
        count += run_path(inner);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%u inputs\n", count);
    return count ? 0 : 1; /* a replay of nothing proves nothing */
}
