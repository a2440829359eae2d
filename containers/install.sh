#!/bin/sh
# Both recipes run this in a clean Debian with Python: sh install.sh cpu|cuda
set -eu
here=$(dirname "$0")
case "$1" in
    cpu) lock=requirements.txt ;;
    cuda) lock=requirements-gpu.txt ;;
    *)
        echo "install.sh: '$1' is neither cpu nor cuda" >&2
        exit 1
        ;;
esac
python3 -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r "$here/$lock"
python3 -c "import snakemake, h5py, openslide, keras"
