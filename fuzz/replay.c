/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for libFuzzer where there is none: runs a target over the files of its corpus, or over
   the files that are named. A corpus is the folder fuzz/<target>.in of the sources. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    uint8_t *data = malloc(FILE_MOST);
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!data || !f) {
        perror(path);
        exit(1);
    }
    n = fread(data, 1, FILE_MOST, f);
    fclose(f);
    /* Exactly as long as the input, so that sanitizers see a byte too far. */
    data = realloc(data, n + !n);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 1;
}

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    char name[4096];
    int count = 0;

    if (!folder) {
        perror(path);
        return 0;
    }
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name)
            count += replay(name);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    const char *sources = getenv("TOP_SRCDIR"), *target = strrchr(argv[0], '/');
    char corpus[4096];
    int count = 0;

    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    if (argc == 1) {
        snprintf(corpus, sizeof corpus, "%s/fuzz/%s.in", sources ? sources : ".",
                 target ? target + 1 : argv[0]);
        count = replay_folder(corpus);
    }
    printf("%d inputs\n", count);
    return count == 0; /* an empty corpus proves nothing */
}
