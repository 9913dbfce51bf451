/* What the container image starts. GitLab's runner starts it with `sh` or `sh -c ...` and feeds the script on standard
 * input; everybody else means retrain. Not a shell script: a shell drops variables whose names it cannot spell, and
 * GitHub's inputs are such (INPUT_IMAGE-SIZE). exec keeps the process PID 1, so that signals reach it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int is_shell(const char *word)
{
    const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
    return strcmp(name, "sh") == 0 || strcmp(name, "bash") == 0 || strcmp(name, "busybox") == 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && is_shell(argv[1])) {
        execvp(argv[1], argv + 1);
        argv[1] = "sh"; /* bash is not in the image */
        execv("/bin/sh", argv + 1);
        perror("retrain: /bin/sh");
        return 127;
    }
    if (argc > 1 && strcmp(argv[1], "retrain") == 0)
        argv++; /* `docker run IMAGE retrain plan` means what it says */
    argv[0] = "retrain";
    execv("/usr/bin/retrain", argv);
    perror("retrain: /usr/bin/retrain");
    return 127;
}
