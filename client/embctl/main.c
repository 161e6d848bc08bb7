/* SPDX-License-Identifier: Apache-2.0 */
/* embctl: asks and steers a daemon, makes and checks table files. */
#include "base/region.h"
#include "client/embctl/command.h"
#include "kernels/kernels.h"

int main(int argc, char **argv)
{
    struct arguments a;
    struct error e;
    int done = arguments_parse(&a, argc, argv);

    region_init();
    if (done < 0 && kernels_init(NULL, &e) != ST_OK)
        done = usage_error(&a, "%s", e.text);
    if (done < 0)
        done = a.command->run(&a);
    arguments_done(&a);
    return done;
}
