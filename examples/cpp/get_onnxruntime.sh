#!/bin/sh
# ONNX Runtime's headers and library in DIR, for systems that package neither:
#     get_onnxruntime.sh DIR
# Headers come from Debian 13's libonnxruntime-dev, the library from the onnxruntime wheel of the
# active Python. The C API is stable: a library runs programs built with older headers.
set -eu
mkdir -p "$1/lib" "$1/apt/lists/partial" "$1/apt/cache/archives/partial"
cd "$1"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" > apt/sources.list
apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" "$@"
}
apt update
apt download libonnxruntime-dev
dpkg -x libonnxruntime-dev_*.deb apt/root
rm -rf include
mv apt/root/usr/include/onnxruntime include
wheel=$(python3 -c 'import onnxruntime; print(onnxruntime.__path__[0])')
ln -sf "$wheel"/capi/libonnxruntime.so.1.* lib/libonnxruntime.so.1
rm -rf apt libonnxruntime-dev_*.deb
ls -l include/onnxruntime_cxx_api.h lib/libonnxruntime.so.1
