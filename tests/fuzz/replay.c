/* Replays a corpus without libFuzzer: fuzz_yaml runs every file of tests/fuzz/corpus/yaml/ (or the files named as
 * arguments), one TAP point each. A crash ends the program and so the test. Each input sits in a block of its exact
 * size, so that ASan sees the first byte beyond it. */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

static int n_points, n_failed;

static void replay(const char *path, const char *name)
{
    FILE *f = fopen(path, "rb");
    long size = -1;
    if (f && fseek(f, 0, SEEK_END) == 0)
        size = ftell(f);
    uint8_t *data = size >= 0 ? malloc((size_t)size) : NULL;
    if (f)
        rewind(f);
    int is_read = f && size >= 0 && (data || size == 0) && fread(data, 1, (size_t)size, f) == (size_t)size;
    if (f)
        fclose(f);
    printf("# %s\n", name);
    fflush(stdout); /* names the culprit if the next call does not come back */
    if (is_read)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    n_failed += !is_read;
    printf("%sok %d - %s\n", is_read ? "" : "not ", ++n_points, name);
}

int main(int argc, char **argv)
{
    const char *name = strstr(argv[0], "fuzz_");
    char path[4096];
    for (const char *later = name; later; later = strstr(later + 1, "fuzz_"))
        name = later;
    for (int i = 1; i < argc; i++)
        replay(argv[i], argv[i]);
    if (argc == 1 && name) {
        char folder[1024];
        snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name + strlen("fuzz_"));
        struct dirent **entries;
        int n = scandir(folder, &entries, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
            if (entries[i]->d_name[0] != '.')
                replay(path, entries[i]->d_name);
            free(entries[i]);
        }
        if (n >= 0)
            free(entries);
        if (n_points == 0) {
            printf("not ok %d - %s holds no input\n", ++n_points, folder);
            n_failed++;
        }
    }
    printf("1..%d\n", n_points);
    return n_failed || !n_points;
}
