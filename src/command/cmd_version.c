#include <stdio.h>

#include "command/commands.h"

bool cmd_version(struct job *j, struct error *e)
{
    if (j->config->show_manifest) { /* needs no initial weights, so no store either */
        if (!dataset_manifest(j->config->dataset_path, j->pool, j->arena, &j->manifest, e))
            return fail_in(e, "dataset %s", j->config->dataset);
        fwrite(j->manifest.text, 1, j->manifest.n, stdout);
        return true;
    }
    if (!job_version(j, e))
        return false;
    printf("%s\n", j->version.name);
    return true;
}
