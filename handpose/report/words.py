"""The metrics in words, in the order of the tables: the three that matter most come first."""

# label, and what is granted or aligned, a line each
METRIC_WORDS = {
    "pa_epe_mm": (
        "Aligned 3D error (PA)",
        "After the best rotation, scale and shift of each hand, without reflection.",
    ),
    "epe3d_root_relative_bone_granted_mm": (
        "Root-relative 3D error",
        "The wrist is moved onto the true one, and the true length of the reference bone granted.",
    ),
    "epe2d_px": ("2D error", "Px of the source image; nothing granted, nothing aligned."),
    "auc_pa_50mm": (
        "AUC of PCK, aligned",
        "Area under the share of joints within 0 to 50 mm after the same alignment; 1 is best.",
    ),
    "pa_with_reflection_epe_mm": (
        "Aligned 3D error, FreiHAND’s alignment",
        "As FreiHAND’s own code aligns: a reflection is allowed as well.",
    ),
    "auc_pa_with_reflection_50mm": (
        "AUC of PCK, FreiHAND’s alignment",
        "As above, after the alignment that allows a reflection; 1 is best.",
    ),
    "epe3d_camera_scale_granted_mm": (
        "3D error in the camera’s frame",
        "Absolute, with its root depth; the true length of FreiHAND’s scale bone (9–10) granted.",
    ),
    "auc_camera_scale_granted_50mm": (
        "AUC of PCK in the camera’s frame",
        "Area under the share of joints within 0 to 50 mm, nothing aligned; 1 is best.",
    ),
    "mpjpe_both_sides_bone_granted_mm": (
        "MPJPE, InterHand2.6M’s mean",
        "Root-relative as above, averaged over the 42 joints of both hands. Granted: the reference "
        "bone’s length. InterHand2.6M’s own number grants the root’s depth instead: see the next.",
    ),
    "mpjpe_both_sides_root_depth_granted_mm": (
        "MPJPE as InterHand2.6M’s own code",
        "The predicted 2.5D pose seen at the wrist’s true depth, which is granted, then the wrists "
        "moved together; averaged over the 42 joints of both hands.",
    ),
    "root_depth_error_mm": (
        "Root depth error",
        "Depth of the wrist as the 3D pose has it; the reference bone’s true length granted.",
    ),
    "root_depth_error_solved_mm": (
        "Root depth error, solved",
        "The same of the depth at which the predicted reference bone has its length.",
    ),
    "root_depth_error_refined_mm": (
        "Root depth error, refined",
        "The same of that depth corrected by an MLP, which reads the whole predicted pose.",
    ),
    "root_depth_clamped_share": (
        "Root depths at an end of their range",
        "The share of hands whose predicted wrist is nearer or farther than any real one: clamped.",
    ),
    "mean_pose_all_labels_pa_epe_mm": (
        "Aligned 3D error (PA) of the mean pose of all labels",
        "The constant of all labelled training hands, also of those whose labels the run had not.",
    ),
    "mean_pose_all_labels_auc_pa_50mm": (
        "AUC of PCK, aligned, of the mean pose of all labels",
        "The same constant; 1 is best.",
    ),
    "pa_epe_weak_perspective_px": (
        "Aligned 3D error, px",
        "For labels without a camera: px of the source image, the depth from weak perspective.",
    ),
    "pck2d_at_20pct_of_joint_box": (
        "PCK in 2D at 20 %",
        "The share of joints within a fifth of the side of the box about the labelled joints.",
    ),
    "auc_pck2d_to_20pct_of_joint_box": (
        "AUC of PCK in 2D",
        "Area under the share of joints within 0 to 20 % of that side; 1 is best.",
    ),
    "val_pa_epe_mm": (
        "Aligned 3D error (PA), validation",
        "Of the epoch that was kept, which was chosen by it.",
    ),
    "val_epe2d_crop_px": (
        "2D error, validation",
        "In px of the crop, of the epoch that was kept, which was chosen by it.",
    ),
}
