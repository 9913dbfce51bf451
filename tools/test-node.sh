#!/bin/sh
# Makes build/node with ONNX Runtime Web, which the model-format tests run the published file in, under node. Those tests
# skip, and say so, when it is missing. Needs node and npm (Debian: apt-get install nodejs npm). Usage: tools/test-node.sh [FOLDER]
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/node}
package=onnxruntime-web@1.30.0
stamp=$folder/package.txt
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$package" ]; then
    exit 0
fi
mkdir -p "$folder"
npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --no-save "$package"
echo "$package" > "$stamp" # last: a half-made folder is made again
