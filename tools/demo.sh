#!/bin/sh
# The whole job on the sample dataset: train, measure, publish to ./models; the second time it skips.
set -eu
cd "$(dirname "$0")/.."
retrain=build/retrain

echo "== retrain run --config examples/demo.yml"
$retrain run --config examples/demo.yml

echo
echo "== retrain list --config examples/demo.yml"
$retrain list --config examples/demo.yml

echo
echo "The report is retrain-report/report.html. Things to try:"
echo "  make demo                                   # again: it skips, the model for this data and recipe is there"
echo "  $retrain pull --config examples/demo.yml --output model"
echo "  $retrain predict model/model.safetensors dataset/images/val/*.jpg --annotate annotated"
