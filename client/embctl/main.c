/* SPDX-License-Identifier: Apache-2.0 */
/* embctl: asks and steers a daemon, makes and checks table files. */
#include "base/region.h"
#include "client/embctl/command.h"

int main(int argc, char **argv)
{
    struct arguments a;
    int done = arguments_parse(&a, argc, argv);

    if (done < 0)
        done = a.command->run(&a);
    arguments_done(&a);
    return done;
}
