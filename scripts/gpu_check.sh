#!/usr/bin/env bash
# bash scripts/gpu_check.sh [FOLDER] [train] [views] [loss] [input] [tests]: measures and checks what
# needs a CUDA GPU, in under 15 minutes, all five parts by default. FOLDER (gpu_check) then has one JSON
# file of each benchmark, the output of each part, and summary.txt. PYTHON=... chooses the Python.
set -uo pipefail
out=$(realpath -m "${1:-gpu_check}")
shift
cd "$(dirname "$0")/.."
parts=${*:-train views loss input tests}
python=${PYTHON:-python}
failed=0
mkdir -p "$out"
{ date; nvidia-smi; nproc; "$python" -m torch.utils.collect_env; } >"$out/machine.txt" 2>&1

part() { # NAME SECONDS COMMAND...
  local name=$1 most=$2 start=$SECONDS code=0
  shift 2
  case " $parts " in *" $name "*) ;; *) return ;; esac
  timeout "$most" "$@" >"$out/$name.txt" 2>&1 || code=$?
  echo "$name: exit code $code, $((SECONDS - start)) s: $*" | tee -a "$out/summary.txt"
  [ "$code" = 0 ] || failed=1
}

part train 480 "$python" scripts/bench_train.py --device cuda --minutes 6.5 --check-resume \
  --json "$out/bench_train.json"
part views 40 "$python" scripts/bench_views.py --device cuda --json "$out/bench_views.json"
part loss 90 "$python" scripts/bench_loss.py --device cuda --json "$out/bench_loss.json"
part input 50 "$python" scripts/bench_input.py --rounds 3 --json "$out/bench_input.json"
part tests 220 "$python" -m pytest -m gpu -rs --junit-xml "$out/tests.xml"
exit "$failed"
