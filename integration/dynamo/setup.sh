#!/usr/bin/env bash
# Makes what the suite needs: a Python virtual environment with real ai-dynamo in it, and, where
# npm is installed, node_modules with the official openai package beside this script.
#
#   setup.sh VENV
#
# Does nothing when VENV is already up to date. About 650 MB and a minute the first time.
# Exit status: 0 ready; 69 the Python packages cannot be had here (the caller may skip the suite,
# and should say so); 2 wrong usage. Without npm the Node tests skip themselves.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n '2,10p' "$0" >&2; exit 2; }
venv=$1
say() { echo "dynamo setup: $*" >&2; }
unavailable() { say "SKIP: $*"; exit 69; }

command -v python3 >/dev/null || unavailable "python3 is not installed"
python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' ||
  unavailable "ai-dynamo 1.6.1 needs Python 3.10 to 3.13, this is $(python3 -V)"

stamp=$venv/.installed
want=$({ python3 -V; cat "$here/requirements.txt" "$here/requirements-nodeps.txt"; } | sha256sum)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
  say "$venv is up to date"
else
  rm -f "$stamp"
  say "making the virtual environment $venv"
  # Debian's python3 without python3-venv has no ensurepip; its own pip can then do the work.
  if python3 -m venv "$venv" >/dev/null 2>&1; then
    pip=("$venv/bin/python" -m pip)
  elif python3 -m venv --without-pip "$venv" && python3 -m pip --version >/dev/null 2>&1; then
    pip=(python3 -m pip --python "$venv/bin/python")
  else
    unavailable "python3 can make no virtual environment (install python3-venv)"
  fi
  install=("${pip[@]}" install --quiet --disable-pip-version-check)
  say "installing ai-dynamo 1.6.1, its mock workers, the openai client and pytest (about 650 MB)"
  "${install[@]}" -r "$here/requirements.txt" ||
    unavailable "pip could not install requirements.txt (see above)"
  "${install[@]}" --no-deps -r "$here/requirements-nodeps.txt" ||
    unavailable "pip could not install requirements-nodeps.txt (see above)"
  "$venv/bin/python" -c 'import dynamo.frontend, dynamo.mocker' ||
    unavailable "ai-dynamo was installed but cannot be imported (see above)"
  echo "$want" >"$stamp"
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  say "SKIP of the Node tests: node or npm is not installed"
elif cmp -s "$here/package-lock.json" "$here/node_modules/.installed-lock"; then
  say "node_modules is up to date"
elif (cd "$here" && npm ci --silent --no-audit --no-fund); then
  cp "$here/package-lock.json" "$here/node_modules/.installed-lock"
  say "installed the openai package for Node"
else
  say "SKIP of the Node tests: npm could not install package-lock.json (see above)"
fi
