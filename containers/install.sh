#!/bin/sh
# Both recipes run this in a clean Debian with Python: sh install.sh cpu|cuda
set -eu
here=$(dirname "$0")
python3 -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
if [ "$1" = cuda ]; then
    # The lock has TensorFlow for CPUs. The same version with CUDA's libraries comes without hashes.
    version=$(sed -n 's/^tensorflow-cpu==\([0-9.]*\).*/\1/p' "$here/requirements.txt")
    python3 -m pip uninstall --yes tensorflow-cpu
    python3 -m pip install --no-cache-dir --disable-pip-version-check "tensorflow[and-cuda]==$version"
elif [ "$1" != cpu ]; then
    echo "install.sh: '$1' is neither cpu nor cuda" >&2
    exit 1
fi
python3 -c "import snakemake, h5py, openslide, keras"
