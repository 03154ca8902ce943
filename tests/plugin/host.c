/* A program that knows nothing of shmlog: opens the plug-in, or with LINKED is linked with it. Says each time that its
   main begins. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef LINKED
bool plugin_make_ring(void);
#endif

int main(void)
{
    FILE *begun = fopen(getenv("HOST_BEGUN"), "a");
    fputs("main\n", begun);
    fclose(begun);
#ifndef LINKED
    void *plugin = dlopen(getenv("PLUGIN"), RTLD_NOW);
    if (!plugin)
        return 3;
    bool (*plugin_make_ring)(void) = (bool (*)(void))dlsym(plugin, "plugin_make_ring");
#endif
    return plugin_make_ring() ? 0 : 1;
}
