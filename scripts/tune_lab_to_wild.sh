#!/usr/bin/env bash
# scripts/tune_lab_to_wild.sh [ARM ...]
#
# Tunes each arm of the study lab_to_wild: one random search per arm (docs/study_protocol.md), with the same number of
# trials, on the validation split of the wild domain. The same command resumes. Results: runs/tune_<arm>/sweep.md.
set -euo pipefail
cd "$(dirname "$0")/.."
trials=${TRIALS:-8}
common=(experiment=lab_to_wild seed=1005 evaluate.split=val sweep_metric=pa_epe_mm report=false
  trainer.num_workers=0 trainer.keep_checkpoints=false
  hydra/sweeper=optuna hydra.sweeper.sampler=random "hydra.sweeper.n_trials=$trials")
finetune=('finetune.optimizer.lr=tag(log,interval(1e-3,1e-2))' 'finetune.layer_decay=choice(1.0,0.8,0.6)')
pretrain=(finetune.max_epochs=4 pretrain.max_epochs=2 pretrain.warmup_epochs=0.2 'pretrain.batch_size=choice(32,64,128)'
  'pretrain.optimizer.lr=tag(log,interval(5e-4,1e-2))' "${finetune[@]}")
strength='augment.strength=interval(0.5,1.5)'
declare -A arms # the overrides of each, and its part of the search space
arms[none]="objective=none ${finetune[0]} finetune.batch_size=choice(16,32,64) finetune.max_epochs=choice(4,8,16)
  finetune.augment.strength=interval(0.5,2.5) finetune.optimizer.weight_decay=tag(log,interval(1e-3,1e-1))"
arms[contrastive]="objective=contrastive ${pretrain[*]} $strength
  objective.temperature=tag(log,interval(0.05,0.5)) objective.projection=choice(embedding,keypoints)"
arms[vicreg]="objective=vicreg ${pretrain[*]} $strength
  objective.invariance_weight=tag(log,interval(5,100)) objective.projection_dim=choice(128,256,512)"
arms[equivariant]="objective=equivariant ${pretrain[*]} $strength
  objective.temperature=tag(log,interval(0.05,0.5)) objective.projection=choice(embedding,keypoints)"
arms[relative]="objective=relative ${pretrain[*]} $strength
  objective.num_keypoints=choice(0,32,64) objective.hidden_dim=choice(256,512,1024)"
arms[predictive]="objective=predictive ${pretrain[*]} $strength
  objective.teacher_momentum=choice(0.9,0.97,0.99) objective.num_keypoints=choice(0,32,64)"
arms[hybrid]="objective=hybrid ${pretrain[*]} objective.parts.relative.augment.strength=interval(0.5,1.5)
  objective.parts.contrastive.temperature=tag(log,interval(0.05,0.5)) objective.parts.contrastive.projection=keypoints
  objective.parts.relative.num_keypoints=choice(0,32,64)"
[ $# -gt 0 ] || set -- none contrastive vicreg equivariant relative predictive hybrid
for arm in "$@"; do
  read -r -d '' -a own <<<"${arms[$arm]}" || true
  python train.py -m "sweep=tune_$arm" "${common[@]}" "${own[@]}"
done
