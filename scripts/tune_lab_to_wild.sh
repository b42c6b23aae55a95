#!/usr/bin/env bash
# [HEAD=regression] scripts/tune_lab_to_wild.sh [ARM ...]
#
# Tunes each arm of the study lab_to_wild on the validation split of the wild domain: one run with the starting values and
# a random search (docs/study_protocol.md), six trials for each arm. The same command resumes.
# HEAD=regression is for `none`, whose fine-tuning all arms share.
# Results: runs/tune_<arm>_start/sweep.md and runs/tune_<arm>/sweep.md; with HEAD, tune_<arm>_<head>.
set -euo pipefail
cd "$(dirname "$0")/.."
fixed=(experiment=lab_to_wild seed=1005 evaluate.split=val sweep_metric=pa_epe_mm report=false finetune.calibrate=false
  trainer.num_workers=0 trainer.keep_checkpoints=false "head=${HEAD:-heatmap}")
search=(hydra/sweeper=optuna hydra.sweeper.sampler=random "hydra.sweeper.n_trials=${TRIALS:-5}")
# `none` searches the fine-tuning, which all arms share (its result: conf/experiment/lab_to_wild.yaml).
finetune='finetune.optimizer.lr=tag(log,interval(1e-3,8e-3)) finetune.optimizer.weight_decay=tag(log,interval(1e-3,1e-1))
  finetune.batch_size=choice(16,32,64) finetune.augment.strength=interval(0.7,1.5)'
pretrain='pretrain.optimizer.lr=tag(log,interval(1e-3,8e-3)) pretrain.batch_size=choice(64,128)
  augment=choice(full,tracked) augment.strength=interval(0.6,1.5)'
temperature='objective.temperature=tag(log,interval(0.05,0.5))'
projection='objective.projection=choice(embedding,keypoints)'
keypoints='objective.num_keypoints=choice(0,32)'
declare -A arms=(
  [none]="$finetune"
  [contrastive]="$pretrain $temperature $projection"
  [vicreg]="$pretrain objective.invariance_weight=tag(log,interval(5,100)) objective.projection_dim=choice(128,512)"
  [equivariant]="$pretrain $temperature $projection"
  [relative]="$pretrain $keypoints objective.hidden_dim=choice(512,1024)"
  [predictive]="$pretrain $keypoints objective.teacher_momentum=choice(0.9,0.97,0.99)"
)
start_finetune='finetune.optimizer.lr=3e-3 finetune.optimizer.weight_decay=0.01 finetune.batch_size=32 finetune.augment.strength=1'
declare -A start=([none]=$start_finetune [contrastive]=objective.temperature=0.1 [equivariant]=objective.temperature=0.1
  [relative]=objective.num_keypoints=32)
[ $# -gt 0 ] || set -- none contrastive relative predictive equivariant vicreg
for arm in "$@"; do
  read -r -d '' -a own <<<"${arms[$arm]}" || true
  run=(python train.py -m "${fixed[@]}" "objective=$arm")
  [ "$arm" = none ] || run+=($start_finetune finetune.max_epochs=10)
  name=tune_$arm${HEAD:+_$HEAD}
  "${run[@]}" "sweep=${name}_start" ${start[$arm]:-}
  "${run[@]}" "sweep=$name" "${search[@]}" "${own[@]}"
done
