/* SPDX-License-Identifier: Apache-2.0 */
/* A trainer of a few lines, as doc/wire.md shows it: it pulls rows 3, 1 and 4 of the table "words"
   to the sum of their own columns' places, goes on where it stood when it was started before, and
   sends a push again whose outcome is not known. Compiled and run by
   tests/system/push_example_test.py. */
#include <embdclient.h>
#include <stdio.h>
#include <time.h>

#define ROWS 3
#define DIM 100
enum { DEADLINE_EXCEEDED = 4, UNAVAILABLE = 14 };

int main(void)
{
    static float rows[ROWS][DIM], gradients[ROWS][DIM];
    const int64_t ids[ROWS] = {3, 1, 4};
    embd_lookup lookup = {"words", ids, ROWS, .out = rows, .out_bytes = sizeof rows};
    embd_push push = {"words", ids, ROWS, .gradients = gradients,
                      .gradient_bytes = sizeof gradients};
    embd_push_options step = {.trainer = "example"};
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = NULL;
    int failed = embd_client_open(&client, NULL, NULL, error);

    if (!failed)
        failed = embd_client_position(client, step.trainer, &step.sequence, error);
    for (int n = 0; n < 20 && !failed; n++) {
        lookup.min_version = push.version; /* our own push is seen by every lookup after it */
        failed = embd_client_lookup(client, &lookup, 1, NULL, error);
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < DIM; j++)
                gradients[i][j] = rows[i][j] - (float)j;
        step.sequence++;
        while (!failed) {
            failed = embd_client_push(client, &push, 1, &step, NULL, error);
            if (failed != UNAVAILABLE && failed != DEADLINE_EXCEEDED)
                break;
            fprintf(stderr, "%s; again\n", error); /* the same push, under the same number */
            nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
            failed = 0;
        }
    }
    if (failed)
        fprintf(stderr, "%s\n", error);
    else
        printf("pushed up to number %llu, version %llu\n", (unsigned long long)step.sequence,
               (unsigned long long)push.version);
    embd_client_close(client);
    return failed != 0;
}
