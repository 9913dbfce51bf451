#!/bin/sh
# Makes build/venv with the Python packages that the model-format tests and golden generators compare with.
# Those tests skip, and say so, when it is missing. Usage: tools/test-venv.sh [FOLDER]
set -eu
cd "$(dirname "$0")/.."
venv=${1:-build/venv}
stamp=$venv/requirements.txt
if [ -f "$stamp" ] && cmp -s tools/test-requirements.txt "$stamp"; then
    exit 0
fi
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r tools/test-requirements.txt
cp tools/test-requirements.txt "$stamp" # last: a half-made venv is made again
