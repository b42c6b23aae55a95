#!/usr/bin/env bash
# bash scripts/gpu_study.sh STUDY [KEY=VALUE] ...: a study on one GPU, in slices. A slice ends before its
# limit, and the same command resumes the study: exit code 0 when it is finished, 1 while runs are left.
# The first slice packs the data. Variables: MINUTES=14 (limit of a slice), JOBS=6 (runs at once),
# TRAINER=gpu, PYTHON=python. It has not been run on a GPU.
set -euo pipefail
study=${1:?bash scripts/gpu_study.sh STUDY [KEY=VALUE] ...}
shift
cd "$(dirname "$0")/.."
python=${PYTHON:-python} minutes=${MINUTES:-14} jobs=${JOBS:-6}
reserve=90 # seconds at the end of a slice: stopped runs save, for at most 60 s
settings=("trainer=${TRAINER:-gpu}" trainer.precision=bf16-mixed "$@")
out=runs/gpu_study/$(basename "$study" .yaml)
mkdir -p "$out"

left() { # seconds until the runs must stop
  echo $((minutes * 60 - reserve - SECONDS))
}

pack() { # a pack for each source and augmentation of the study; those that exist are only checked
  local command words
  # Words of a command that decide what is packed, so that each pack is named once.
  local data='^(dataset|augment|objective|experiment|paths)|^(pretrain|finetune|evaluate)\.(dataset|augment)'
  "$python" scripts/study.py "$study" --plan --jobs "$jobs" "${settings[@]}" |
    { grep '^python ' || true; } | # none if all runs are finished
    while read -r command; do
      eval "words=($command)" # quoted for a shell by the study
      printf '%s\n' "${words[@]:2}" | grep -E "$data" | sed "s/.*/'&'/" | paste -sd ' '
    done | sort -u >"$out/packs.txt"
  while read -r command; do
    eval "words=($command)"
    if [ "$(left)" -le 0 ] || ! timeout "$(left)" "$python" scripts/pack.py "${words[@]}" \
      >>"$out/pack.txt" 2>&1 </dev/null; then
      echo "packing has stopped, see $out/pack.txt; the same command resumes it"
      exit 1
    fi
  done <"$out/packs.txt"
  touch "$out/packed"
}

[ -e "$out/packed" ] || pack
echo "packed after $SECONDS s"
exec "$python" scripts/study.py "$study" --jobs "$jobs" \
  --minutes "$(awk "BEGIN {print $(left) / 60}")" "${settings[@]}"
