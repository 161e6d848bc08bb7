/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of a factorization machine whose rows are in embd (examples/ctr/train.py --model fm), as a
   service in C would compute them: reads lines of ids from standard input, a sample a line, and
   writes the logit of each, less the model's bias. A row is a vector and, at its end, a weight.

       score TABLE <ids                    the daemon: EMBD_SERVER, else 127.0.0.1:3623

   Compiled and run by tests/system/ctr_serving_test.py. */
#include <embdclient.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX 1000
#define DIM_MAX 1024

/* The ids of a line; -1 if it holds anything else, or too many. */
static int read_ids(char *line, int64_t ids[IDS_MAX])
{
    int count = 0;

    for (char *p = line, *end;; p = end) {
        p += strspn(p, " \t\r\n");
        if (*p == '\0')
            return count;
        if (count == IDS_MAX)
            return -1;
        errno = 0;
        ids[count++] = strtoll(p, &end, 10);
        if (end == p || errno != 0)
            return -1;
    }
}

static double score(const float *rows, size_t count, size_t dim)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += rows[i * dim + dim - 1];
    for (size_t j = 0; j + 1 < dim; j++) {
        double total = 0, squares = 0;

        for (size_t i = 0; i < count; i++) {
            double x = rows[i * dim + j];

            total += x;
            squares += x * x;
        }
        sum += (total * total - squares) / 2;
    }
    return sum;
}

int main(int argc, char **argv)
{
    static float rows[IDS_MAX * DIM_MAX];
    static char line[1 << 16];
    int64_t ids[IDS_MAX];
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = NULL;
    int failed, count;

    if (argc != 2)
        return fprintf(stderr, "usage: score TABLE <ids\n"), 2;
    failed = embd_client_open(&client, NULL, NULL, error);
    while (!failed && fgets(line, sizeof line, stdin)) {
        if ((count = read_ids(line, ids)) < 0) {
            snprintf(error, sizeof error, "a line is not up to %d ids", IDS_MAX);
            failed = 1;
            break;
        }
        embd_lookup lookup = {argv[1], ids, (size_t)count, .out = rows, .out_bytes = sizeof rows};
        failed = embd_client_lookup(client, &lookup, 1, NULL, error);
        if (!failed)
            printf("%.9g\n", score(rows, lookup.rows, lookup.dim));
    }
    if (failed)
        fprintf(stderr, "score: %s\n", error);
    embd_client_close(client);
    return failed != 0;
}
