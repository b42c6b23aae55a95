#!/usr/bin/env bash
# scripts/tune_lab_to_wild.sh [ARM ...]
#
# Tunes each arm of the study lab_to_wild: one random search per arm (docs/study_protocol.md), with the same number of
# trials, on the validation split of the wild domain. The same command resumes. Results: runs/tune_<arm>/sweep.md.
set -euo pipefail
cd "$(dirname "$0")/.."
trials=${TRIALS:-10}
fixed=(experiment=lab_to_wild seed=1005 evaluate.split=val sweep_metric=pa_epe_mm report=false finetune.calibrate=false
  trainer.num_workers=0 trainer.keep_checkpoints=false
  hydra/sweeper=optuna hydra.sweeper.sampler=random "hydra.sweeper.n_trials=$trials" "hydra.sweeper.n_jobs=${JOBS:-1}")
[ "${JOBS:-1}" = 1 ] || fixed+=(hydra/launcher=joblib "hydra.launcher.n_jobs=$JOBS")
# `none` searches the fine-tuning, which all other arms share (conf/experiment/lab_to_wild.yaml has the result).
finetune='finetune.optimizer.lr=tag(log,interval(1e-3,1e-2)) finetune.optimizer.weight_decay=tag(log,interval(1e-3,1e-1))
  finetune.batch_size=choice(16,32,64) finetune.augment.strength=interval(0.5,1.5) finetune.max_epochs=choice(15,25)'
pretrain='pretrain.max_epochs=4 pretrain.warmup_epochs=0.4 pretrain.optimizer.lr=tag(log,interval(1e-3,8e-3))
  pretrain.batch_size=choice(64,128) augment=choice(full,tracked) augment.strength=interval(0.6,1.5)'
temperature='objective.temperature=tag(log,interval(0.05,0.5))'
projection='objective.projection=choice(embedding,keypoints)'
keypoints='objective.num_keypoints=choice(0,32)'
declare -A arms=(
  [none]="objective=none $finetune"
  [contrastive]="objective=contrastive $pretrain $temperature $projection"
  [vicreg]="objective=vicreg $pretrain objective.invariance_weight=tag(log,interval(5,100))
    objective.projection_dim=choice(128,512)"
  [equivariant]="objective=equivariant $pretrain $temperature $projection"
  [relative]="objective=relative $pretrain $keypoints objective.hidden_dim=choice(512,1024)"
  [predictive]="objective=predictive $pretrain $keypoints objective.teacher_momentum=choice(0.9,0.97,0.99)"
)
[ $# -gt 0 ] || set -- none contrastive vicreg equivariant relative predictive
for arm in "$@"; do
  read -r -d '' -a own <<<"${arms[$arm]}" || true
  python train.py -m "sweep=tune_$arm" "${fixed[@]}" "${own[@]}"
done
