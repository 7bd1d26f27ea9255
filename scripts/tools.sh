#!/usr/bin/env bash
# Makes sure that the tools named by the arguments are here:
#   build   a C compiler (SQLite and the crypto library are compiled from C)
#   test    Node.js, Python with venv, strace; node modules and a Python environment
# Installs Debian packages when it may (root and apt-get), else says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { # need COMMAND PACKAGE…
  command -v "$1" >/dev/null || missing+=("${@:2}")
}

python_with_venv() {
  python3 -c 'import ensurepip, venv' 2>/dev/null
}

install_missing() {
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "==> installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "These Debian packages are needed: ${missing[*]}" >&2
    echo "Install them with: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
}

node_modules() {
  local lock folder
  while read -r lock; do
    folder=$(dirname "$lock")
    if [ "$folder/node_modules/.package-lock.json" -ot "$lock" ]; then
      echo "==> installing the node modules of $folder"
      npm ci --prefix "$folder" --no-audit --no-fund --silent
      # npm leaves the file alone when nothing changed, which would bring us here each time.
      touch "$folder/node_modules/.package-lock.json"
    fi
  done < <(find crates tests -name package-lock.json -not -path '*/node_modules/*')
}

python_environment() {
  local requirements
  mapfile -t requirements < <(find crates tests -name 'requirements*.txt' -not -path '*/node_modules/*' | sort)
  [ ${#requirements[@]} -gt 0 ] || return 0
  if ! cat "${requirements[@]}" | cmp -s - .venv/installed.txt; then
    echo "==> installing ${requirements[*]} into .venv"
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check $(printf -- '-r %s ' "${requirements[@]}")
    cat "${requirements[@]}" > .venv/installed.txt
  fi
}

for group in "$@"; do
  case "$group" in
    build)
      command -v cargo >/dev/null || { echo "Rust is needed: https://rustup.rs" >&2; exit 1; }
      need cc gcc libc6-dev
      need curl curl ca-certificates
      ;;
    test)
      need node nodejs
      need npm npm
      need strace strace
      need python3 python3 python3-venv
      python_with_venv || missing+=(python3-venv)
      ;;
    *) echo "unknown group of tools: $group" >&2; exit 2 ;;
  esac
done
install_missing
case " $* " in *" test "*) node_modules; python_environment ;; esac
