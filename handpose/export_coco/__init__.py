"""Export predictions as COCO keypoints, for correction in an annotation tool."""
