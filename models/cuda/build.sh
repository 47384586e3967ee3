#!/usr/bin/env bash
# Builds `commutator` for NVIDIA GPUs, a second artifact beside the one for CPUs, in one command. The machine that
# builds needs neither a GPU nor a driver nor an installed CUDA toolkit; the machine that runs needs the driver, cuBLAS
# and cuRAND of CUDA 13 when the program starts.
#
#   models/cuda/build.sh [--capability 90] [--jobs N] [--work DIR] [--into DIR] [--benchmarks] [--toolkit-only]
#
#   --capability  the GPU's compute capability without its dot: 80 A100, 86 A10, 89 L4 and RTX 4090, 90 H100 and H200,
#                 100 B200. One binary is for one generation. Default: 90.
#   --jobs        compilers at the same time. Default: cargo's.
#   --work        where everything but the artifact goes, about 4 GB. Default: target/cuda.
#   --into        where the artifact goes. Default: WORK/artifact.
#   --benchmarks  builds the examples gpu_load and parity too.
#   --toolkit-only  stops before cargo, and prints what to set for a cargo command of one's own.
#
# Takes an installed toolkit where CUDA_HOME says so. Otherwise NVIDIA's compiler comes from its Python packages
# (requirements.txt) into a virtual environment, and the linker gets stand-ins of the libraries that come with the
# driver or with cuBLAS: the same names, the functions that the `cudarc` crate declares, nothing in them.
# WORK/without-gpu holds the same stand-ins under the names that a starting program looks for: with them on
# LD_LIBRARY_PATH the artifact starts on a machine without a GPU, and finds none.
# Needs cargo, gcc and g++ (at most 15), python3 with venv and pip, binutils.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
capability=90
work=$root/target/cuda
into=
jobs=()
benchmarks=()
toolkit_only=

while [ $# -gt 0 ]; do
  case $1 in
    --capability) capability=$2; shift 2 ;;
    --jobs) jobs=(--jobs "$2"); shift 2 ;;
    --work) work=$2; shift 2 ;;
    --into) into=$2; shift 2 ;;
    --benchmarks) benchmarks=(gpu_load parity); shift ;;
    --toolkit-only) toolkit_only=yes; shift ;;
    -h|--help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit ;;
    *) echo "$0: what is $1? Try --help" >&2; exit 2 ;;
  esac
done
mkdir -p "$work"
work=$(cd "$work" && pwd)
into=${into:-$work/artifact}

# The toolkit as Python packages; prints where it lies.
toolkit() {
  local venv=$work/venv
  if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$venv/installed.txt"
  fi
  local home=("$venv"/lib/python3*/site-packages/nvidia/cu13)
  echo "${home[0]}"
}

# stand_in HOME MODULE LIBRARY SONAME, with the functions that cudarc's MODULE declares. Each returns 100, which says
# "no device" to whoever asks the driver.
stand_in() {
  local home=$1 module=$2 library=$3 soname=$4
  local code=$work/without-gpu/$library.c
  find "$module/sys" -name '*.rs' -exec grep -hoE 'fn (cu|nvrtc)[A-Za-z0-9_]+' {} + | cut -c4- | sort -u |
    sed 's/.*/int &(void) { return 100; }/' > "$code"
  [ -s "$code" ] || { echo "$0: no function found in $module" >&2; exit 1; }
  gcc -shared -fPIC -w -fno-builtin "-Wl,-soname,$soname" -o "$work/without-gpu/$soname" "$code"
  rm "$code"
  ln -sf "$work/without-gpu/$soname" "$home/lib/stubs/lib$library.so"
}

# Completes the unpacked packages to what build scripts and the linker look for.
complete() {
  local home=$1 sources
  sources=$(cargo metadata --manifest-path "$root/Cargo.toml" --locked --format-version 1 --all-features |
    python3 -c 'import json, os, sys
packages = json.load(sys.stdin)["packages"]
print(next(os.path.dirname(p["manifest_path"]) for p in packages if p["name"] == "cudarc"))')/src
  ln -sfn lib "$home/lib64"
  mkdir -p "$home/lib/stubs" "$work/without-gpu"
  # Statically: the runtime has no part in the driver's version, so nothing is gained by loading it.
  echo 'INPUT(-l:libcudart_static.a -ldl -lrt -lpthread)' > "$home/lib/libcudart.so"
  stand_in "$home" "$sources/driver" cuda libcuda.so.1
  stand_in "$home" "$sources/cublas" cublas libcublas.so.13
  stand_in "$home" "$sources/cublaslt" cublasLt libcublasLt.so.13
  stand_in "$home" "$sources/curand" curand libcurand.so.10
  stand_in "$home" "$sources/nvrtc" nvrtc libnvrtc.so.13
}

# nvcc, but quick about the kernels of quantised and mixture-of-experts models. candle compiles them in any case, and
# optimised they take nearly all of its time; nothing here ever runs them.
quick() {
  local home=$1
  mkdir -p "$work/quick/bin"
  ln -sfn "$home/include" "$work/quick/include"
  ln -sfn "$home/lib64" "$work/quick/lib64"
  cat > "$work/quick/bin/nvcc" <<EOF
#!/bin/sh
case "\$*" in
  *mmq_*.cu|*mmvq_*.cu|*moe_*.cu) exec "$home/bin/nvcc" -Xcicc -O0 -Xptxas -O0 "\$@" ;;
  *) exec "$home/bin/nvcc" "\$@" ;;
esac
EOF
  chmod +x "$work/quick/bin/nvcc"
}

if [ -z "${CUDA_HOME:-}" ]; then
  CUDA_HOME=$(toolkit)
  complete "$CUDA_HOME"
fi
quick "$CUDA_HOME"
export CUDA_HOME CUDA_COMPUTE_CAP=$capability NVCC=$work/quick/bin/nvcc PATH=$CUDA_HOME/bin:$PATH
if [ -n "$toolkit_only" ]; then
  echo "export CUDA_HOME=$CUDA_HOME CUDA_COMPUTE_CAP=$capability NVCC=$NVCC PATH=$CUDA_HOME/bin:\$PATH"
  exit
fi

export CARGO_TARGET_DIR=$work
build=(cargo build --manifest-path "$root/Cargo.toml" --locked --release --features cuda "${jobs[@]}")
"${build[@]}" --bin commutator
mkdir -p "$into"
strip -o "$into/commutator" "$work/release/commutator"
for example in "${benchmarks[@]}"; do
  "${build[@]}" --package commutator-models --example "$example"
  strip -o "$into/$example" "$work/release/examples/$example"
done

echo
echo "artifact: $into/commutator, $(stat -c %s "$into/commutator") bytes, for compute capability $capability"
echo "loads when it starts:"
readelf -d "$into/commutator" | sed -n 's/.*NEEDED.*\[\(.*\)\]/  \1/p'
echo "newest C library function: $(readelf -V "$into/commutator" | grep -oE 'GLIBC_2\.[0-9]+' | sort -uV | tail -1)"
