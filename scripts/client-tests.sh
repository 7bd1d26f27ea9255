#!/usr/bin/env bash
# Runs the tests that are not Rust's: every executable file named `run` in a folder of tests/.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
for run in tests/*/run; do
  [ -x "$run" ] || continue
  echo "==> $run"
  "$run"
done
