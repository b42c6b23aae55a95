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
  hydra/sweeper=optuna hydra.sweeper.sampler=random "hydra.sweeper.n_trials=$trials")
# What every arm searches: fine-tuning; with pre-training: that too.
finetune='finetune.optimizer.lr=tag(log,interval(5e-4,1e-2)) finetune.augment.strength=interval(0.5,2.5)
  finetune.optimizer.weight_decay=tag(log,interval(1e-3,1e-1)) finetune.batch_size=choice(16,32,64)'
pretrain="$finetune finetune.layer_decay=choice(1.0,0.8,0.6) pretrain.batch_size=choice(32,64,128)
  pretrain.optimizer.lr=tag(log,interval(5e-4,1e-2)) pretrain.max_epochs=4"
views='augment=choice(full,tracked) augment.strength=interval(0.5,1.5)'
temperature='objective.temperature=tag(log,interval(0.05,0.5))'
projection='objective.projection=choice(embedding,keypoints)'
keypoints='objective.num_keypoints=choice(0,32,64)'
declare -A arms=(
  [none]="objective=none $finetune finetune.max_epochs=choice(5,10,20)"
  [contrastive]="objective=contrastive $pretrain $views $temperature $projection"
  [vicreg]="objective=vicreg $pretrain $views objective.invariance_weight=tag(log,interval(5,100))
    objective.projection_dim=choice(128,256,512)"
  [equivariant]="objective=equivariant $pretrain $views $temperature $projection"
  [relative]="objective=relative $pretrain $views $keypoints objective.hidden_dim=choice(256,512,1024)"
  [predictive]="objective=predictive $pretrain $views $keypoints objective.teacher_momentum=choice(0.9,0.97,0.99)"
)
[ $# -gt 0 ] || set -- none contrastive vicreg equivariant relative predictive
for arm in "$@"; do
  read -r -d '' -a own <<<"${arms[$arm]}" || true
  python train.py -m "sweep=tune_$arm" "${fixed[@]}" "${own[@]}"
done
