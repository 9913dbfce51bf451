/* data.yaml: class names and the parts of a YOLO dataset. */
#ifndef DATASET_YOLO_CONFIG_H
#define DATASET_YOLO_CONFIG_H

#include "core/yaml.h"
#include "dataset/draft.h"

/* Reads the file into `root`; false = a defect was added. */
bool yolo_config_read(struct draft *d, const char *file, struct yaml_node *root);
/* `names` (list or map from 0) and `nc` into d->classes. Defects go to the draft. */
void yolo_config_classes(struct draft *d, const char *file, const struct yaml_node *root);
/* `train`, `val`, `test` (a folder, a list of folders, a text file of image paths), under `path`: marks the images.
 * Returns false when the file names no part at all. */
bool yolo_config_parts(struct draft *d, const char *file, const struct yaml_node *root);

#endif
