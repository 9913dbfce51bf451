#include <string.h>

#include "dataset/draft.h"

static const struct {
    const char *name;
    void (*read)(struct draft *d);
} formats[] = {
    [DATASET_AUTO] = {"auto", NULL},
    [DATASET_YOLO] = {"yolo", yolo_read},
    [DATASET_COCO] = {"coco", coco_read},
    [DATASET_VOC] = {"voc", voc_read},
};

const char *dataset_format_name(enum dataset_format f)
{
    return formats[f].name;
}

void format_read(struct draft *d)
{
    formats[d->format].read(d);
}

enum dataset_format format_detect(struct draft *d)
{
    if (yolo_find_config(d))
        return DATASET_YOLO;
    long n_xml = 0, n_text = 0;
    for (size_t i = 0; i < d->n_entries; i++) {
        const char *path = d->entries[i].path;
        if (d->entries[i].kind != FS_FILE)
            continue;
        if (coco_is_annotations(d, path))
            return DATASET_COCO;
        n_text += path_has_ext(path, ".txt") && !strstr(path, "ImageSets/"); /* VOC's lists */
        if (path_has_ext(path, ".xml") && (n_xml > 0 || voc_is_annotation(d, path))) /* one look is enough */
            n_xml++;
    }
    return n_xml > n_text ? DATASET_VOC : DATASET_YOLO;
}
