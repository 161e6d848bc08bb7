/* SPDX-License-Identifier: Apache-2.0 */
/* The ten lines of embdclient.h, as a program. Compiled and run by
 * tests/system/client_example_test.py.
 */
#include <embdclient.h>
#include <stdio.h>

int main(void)
{
    embd_client *client = NULL;
    char error[EMBD_CLIENT_ERROR_MAX];
    int64_t ids[] = {3, 1, 4};
    float rows[3 * 100];
    embd_lookup words = {"words", ids, 3, .out = rows, .out_bytes = sizeof rows};
    if (embd_client_open(&client, NULL, NULL, error) != 0 ||
        embd_client_lookup(client, &words, 1, NULL, error) != 0)
        return embd_client_close(client), fprintf(stderr, "%s\n", error), 1;
    printf("row 3 begins with %g\n", rows[0]);
    embd_client_close(client);
    return 0;
}
