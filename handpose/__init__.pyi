# The public names: `import handpose` imports a module when one of its names is first used.
from .augment.settings import Augmentation as Augmentation
from .augment.views import make_target as make_target
from .augment.views import make_views as make_views
from .backbones.base import normalise as normalise
from .backbones.hrnet import HRNet as HRNet
from .backbones.resnet import ResNet as ResNet
from .backbones.resnet_half import HalfResNet as HalfResNet
from .config.composer import compose_config as compose_config
from .data.loaders import build_loader as build_loader
from .data.sources.folder import Folder as Folder
from .data.sources.freihand import FreiHand as FreiHand
from .data.sources.interhand import InterHand as InterHand
from .data.sources.manifest import Manifest as Manifest
from .data.sources.mpii import MpiiHands as MpiiHands
from .data.sources.synthetic import Synthetic as Synthetic
from .data.sources.youtube import YouTube3D as YouTube3D
from .data.targets_dataset import TargetDataset as TargetDataset
from .data.views_dataset import ViewDataset as ViewDataset
from .heads.heatmap import HeatmapHead as HeatmapHead
from .heads.regression import RegressionHead as RegressionHead
from .model import PoseModel as PoseModel
from .objectives.contrastive import Contrastive as Contrastive
from .objectives.equivariant import Equivariant as Equivariant
from .objectives.hybrid import Hybrid as Hybrid
from .objectives.relative import Relative as Relative
from .pipeline.run import run as run
from .predict.hand import Given as Given
from .predict.hand import Hand as Hand
from .predict.hand_pose import HandPose as HandPose
from .records import Prediction as Prediction
from .records import Sample as Sample
from .records import Target as Target
from .records import ViewParams as ViewParams
from .records import Views as Views

__version__: str
